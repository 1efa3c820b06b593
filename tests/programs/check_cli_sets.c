/*
 * The command on weightings and on many files: lists of pairs, class weights from label maps, evaluation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLASSES = 4, HEIGHT = 6, WIDTH = 7, PLANE = HEIGHT * WIDTH, FILES = 3, IGNORED = 255, INVALID = 9 };

static float logits[FILES][CLASSES * PLANE];
static uint8_t labels[FILES][PLANE];

static const char *const logits_names[FILES] = {"a.npy", "b b.npy", "c.npy"};
static const char *const labels_names[FILES] = {"maps/a.npy", "maps/b b.png", "maps/c.NPY"};

/* Three pairs; class 3 is in no label. */
static void write_inputs(void) {
    struct rng rng = rng_for("cli sets", 0);
    mkdir("maps", 0777);
    for (size_t f = 0; f < FILES; ++f) {
        for (size_t i = 0; i < CLASSES * PLANE; ++i)
            logits[f][i] = (float)rng_normal(&rng);
        for (size_t i = 0; i < PLANE; ++i)
            labels[f][i] = (uint8_t)(i % 11 == 3 ? IGNORED : i == 5 ? INVALID : rng_below(&rng, 2 + (f > 0)));
        logits[f][17] = logits[f][17 + PLANE]; /* a tie, at pixel 17 */
        write_npy(logits_names[f], "<f4", "(4, 6, 7)", logits[f], sizeof logits[f]);
        if (f == 1)
            write_png(labels_names[f], WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels[f]);
        else
            write_npy(labels_names[f], "|u1", "(6, 7)", labels[f], sizeof labels[f]);
    }
    static const char list[] =
        "# logits and labels\r\n\n a.npy   maps/a.npy \nb b.npy\tmaps/b b.png\n#\nc.npy maps/c.NPY";
    write_file("list.txt", list, sizeof list - 1);
}

static void assert_same_file(const char *a, const char *b, bool same) {
    size_t size_a, size_b;
    char *bytes_a = read_file(a, &size_a), *bytes_b = read_file(b, &size_b);
    ck_assert_msg((size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0) == same, "%s and %s", a, b);
    free(bytes_a);
    free(bytes_b);
}

/* --------------------------------------------------------------------------------------------------- weightings */

START_TEST(weightings_meet_where_they_are_the_same) {
    write_inputs();
    /* the plain mean is p = inf, the hardest are p = 1, and mining that keeps all is the mean, too */
    assert_done(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "uniform", "--weights", "uniform.npy", NULL));
    assert_done(clmp("loss", "a.npy", "maps/a.npy", "--p", "inf", "--weights", "inf.npy", NULL));
    assert_done(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "ohem", "--weights", "ohem.npy", NULL));
    assert_done(clmp("loss", "a.npy", "maps/a.npy", "--weighting=topk", "--support=0.5", "--weights=top.npy", NULL));
    assert_done(clmp("loss", "a.npy", "maps/a.npy", "--p=1", "--support=0.5", "--weights=one.npy", NULL));
    assert_same_file("uniform.npy", "inf.npy", true);
    assert_same_file("uniform.npy", "ohem.npy", true);
    assert_same_file("top.npy", "one.npy", true);
    assert_done(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "topk", "--count", "3", "--weights", "3.npy", NULL));
    float *weights = read_npy("3.npy", "(1, 6, 7)", PLANE);
    double sum = 0.0;
    int carrying = 0;
    for (int i = 0; i < PLANE; ++i) {
        sum += (double)weights[i];
        carrying += weights[i] > 0.0f;
    }
    free(weights);
    ck_assert_int_eq(carrying, 3);
    ck_assert(fabs(sum - 1.0) < 1e-6);
    json_t *mined = json_of(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "ohem", "--thresh", "1e-3", "--min-kept",
                                 "5", "--json", NULL));
    ck_assert_str_eq(json_string_value(json_object_get(mined, "weighting")), "ohem");
    ck_assert(number(mined, "support") == 5.0);
    json_decref(mined);
}
END_TEST

/* By how many pixels there are, and by what they weigh, as torch has it. */
START_TEST(means_are_by_count_or_by_class_weights) {
    static const float class_weights[CLASSES] = {0.5f, 4.0f, 0.25f, 1.0f};
    write_inputs();
    write_npy("class-weights.npy", "<f4", "(4,)", class_weights, sizeof class_weights);
    json_t *count = json_of(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "uniform", "--class-weights",
                                 "class-weights.npy", "--losses", "losses.npy", "--json", NULL));
    json_t *same = json_of(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "uniform", "--class-weights",
                                "class-weights.npy", "--normalise", "count", "--json", NULL));
    json_t *mean = json_of(clmp("loss", "a.npy", "maps/a.npy", "--weighting", "uniform", "--class-weights",
                                "class-weights.npy", "--normalise", "weights", "--json", NULL));
    float *losses = read_npy("losses.npy", "(1, 6, 7)", PLANE);
    double sum = 0.0, of_weights = 0.0;
    for (size_t i = 0; i < PLANE; ++i) {
        sum += (double)losses[i];
        of_weights += labels[0][i] < CLASSES ? (double)class_weights[labels[0][i]] : 0.0;
    }
    free(losses);
    ck_assert(json_equal(count, same));
    ck_assert(fabs(number(count, "loss") - sum / number(count, "valid")) < 2e-6 * sum);
    ck_assert(fabs(number(mean, "loss") - sum / of_weights) < 2e-6 * sum);
    ck_assert(fabs(number(mean, "loss") - number(count, "loss")) > 0.01);
    json_decref(count);
    json_decref(same);
    json_decref(mean);
    struct outcome outcome = clmp("loss", "a.npy", "maps/a.npy", "--weighting", "topk", "--class-weights",
                                  "class-weights.npy", "--normalise", "weights", NULL);
    ck_assert(strstr(outcome.out, "by class weights") != NULL);
    assert_done(outcome);
}
END_TEST

START_TEST(sampling_depends_on_seed_and_step_alone) {
    write_inputs();
    static const char *const others[][2] = {{"--seed", "1"}, {"--step", "1"}, {"--sampling", "over"}};
    for (int i = 0; i < 2; ++i)
        assert_done(clmp("loss", "b b.npy", "maps/b b.png", "--weighting", "balanced", "--weights",
                         i ? "again.npy" : "first.npy", NULL));
    assert_same_file("first.npy", "again.npy", true);
    for (int i = 0; i < 3; ++i) {
        assert_done(clmp("loss", "b b.npy", "maps/b b.png", "--weighting", "balanced", others[i][0], others[i][1],
                         "--weights", "other.npy", NULL));
        assert_same_file("first.npy", "other.npy", false);
    }
}
END_TEST

START_TEST(weightings_of_losses) {
    static const float losses[] = {0.5f, 0.25f, 4.0f, 1.0f, 2.0f, 3.0f};
    write_npy("losses.npy", "<f4", "(6,)", losses, sizeof losses);
    json_t *object = json_of(clmp("weights", "losses.npy", "--weighting", "topk", "--count", "2", "--json", NULL));
    ck_assert(fabs(number(object, "loss") - 3.5) < 1e-6);
    json_decref(object);
    object = json_of(clmp("weights", "losses.npy", "--weighting", "ohem", "--thresh", "0.2", "--min-kept", "1",
                          "--json", NULL)); /* -ln 0.2 = 1.6 */
    ck_assert(fabs(number(object, "loss") - 3.0) < 1e-6);
    json_decref(object);
}
END_TEST

/* ---------------------------------------------------------------------------------------------- losses, layouts */

START_TEST(binary_losses_have_a_label_map_for_each_class) {
    write_inputs();
    uint8_t masks[CLASSES * PLANE];
    for (size_t i = 0; i < CLASSES * PLANE; ++i)
        masks[i] = (uint8_t)(i % 13 == 4 ? IGNORED : i % 3 == 0);
    write_npy("masks.npy", "|u1", "(4, 6, 7)", masks, sizeof masks);
    write_npy("a4.npy", "<f4", "(1, 4, 6, 7)", logits[0], sizeof logits[0]);
    write_npy("masks4.npy", "|u1", "(1, 4, 6, 7)", masks, sizeof masks);
    json_t *one = json_of(clmp("loss", "a.npy", "masks.npy", "--loss", "bce", "--losses", "bce.npy", "--gradient",
                               "g.npy", "--heatmap", "heat.png", "--json", NULL));
    json_t *four =
        json_of(clmp("loss", "a4.npy", "masks4.npy", "--loss", "bce", "--gradient", "g4.npy", "--json", NULL));
    ck_assert(json_equal(one, four));
    ck_assert_str_eq(json_string_value(json_object_get(one, "criterion")), "bce");
    float *losses = read_npy("bce.npy", "(1, 4, 6, 7)", CLASSES * PLANE);
    for (size_t i = 0; i < CLASSES * PLANE; ++i) {
        const double z = (masks[i] == 1 ? -1.0 : 1.0) * (double)logits[0][i];
        const double want = masks[i] == IGNORED ? 0.0 : fmax(z, 0.0) + log1p(exp(-fabs(z)));
        ck_assert_msg(fabs((double)losses[i] - want) <= 1e-6 * want, "loss %zu", i);
    }
    free(losses);
    free(read_npy("g.npy", "(4, 6, 7)", CLASSES * PLANE));
    json_decref(one);
    json_decref(four);
    /* one class: a map as of any labels */
    write_npy("single.npy", "<f4", "(1, 6, 7)", logits[0], sizeof logits[0] / CLASSES);
    write_npy("mask.npy", "|u1", "(6, 7)", masks, PLANE);
    assert_done(clmp("loss", "single.npy", "mask.npy", "--loss", "binary-focal", "--alpha", "0.25", NULL));
}
END_TEST

START_TEST(losses_are_chosen_by_name) {
    write_inputs();
    json_t *plain = json_of(clmp("loss", "a.npy", "maps/a.npy", "--json", NULL));
    json_t *focal = json_of(clmp("loss", "a.npy", "maps/a.npy", "--loss", "focal", "--gamma", "1.5", "--json", NULL));
    json_t *smooth = json_of(clmp("loss", "a.npy", "maps/a.npy", "--label-smoothing", "0.1", "--json", NULL));
    ck_assert(number(focal, "loss") < number(plain, "loss") && number(smooth, "loss") != number(plain, "loss"));
    json_decref(plain);
    json_decref(focal);
    json_decref(smooth);
    struct outcome outcome = clmp("loss", "a.npy", "maps/a.npy", "--loss", "focal", NULL);
    ck_assert(strstr(outcome.out, "of focal") != NULL);
    assert_done(outcome);
}
END_TEST

/* Four elements of 1/4 and 3/4 of the scale, by equal logits; and of one pixel, as softmax gives 1/4 of them. */
START_TEST(a_gradient_in_float16_says_what_it_has_no_room_for) {
    static const uint16_t halves[4] = {0, 0, 0, 0};
    static const uint8_t label = 2;
    static const struct {
        const char *scale;
        unsigned overflowed, underflowed;
        uint16_t bits[2]; /* of the other classes, and of the label's */
    } rows[] = {
        {"1", 0, 0, {0x3400, 0xba00}},    {"1e12", 4, 0, {0x7c00, 0xfc00}},   {"100000", 1, 0, {0x761a, 0xfc00}},
        {"1e-7", 0, 3, {0x0000, 0x8001}}, {"-1e-12", 0, 4, {0x8000, 0x0000}}, {"0", 0, 0, {0x0000, 0x0000}},
    };
    write_npy("half.npy", "<f2", "(4, 1, 1)", halves, sizeof halves);
    write_npy("one.npy", "|u1", "(1, 1)", &label, sizeof label);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        struct outcome outcome = clmp("loss", "half.npy", "one.npy", "--gradient", "g.npy", "--gradient-scale",
                                      rows[i].scale, "--json", NULL);
        char note[256] = "";
        if (rows[i].overflowed > 0)
            snprintf(note, sizeof note, "clmp: loss: note: %u %s no room in float16; a lower --gradient-scale helps\n",
                     rows[i].overflowed,
                     rows[i].overflowed == 1 ? "element of the gradient has" : "elements of the gradient have");
        ck_assert_str_eq(outcome.err, note);
        json_t *object = json_loads(outcome.out, 0, NULL);
        ck_assert_msg(number(object, "gradient_overflowed") == rows[i].overflowed, "row %zu", i);
        ck_assert_msg(number(object, "gradient_underflowed") == rows[i].underflowed, "row %zu", i);
        json_decref(object);
        outcome_free(&outcome);
        size_t size;
        char *bytes = read_file("g.npy", &size);
        uint16_t got[4];
        memcpy(got, bytes + size - sizeof got, sizeof got);
        free(bytes);
        for (int c = 0; c < 4; ++c)
            ck_assert_msg(got[c] == rows[i].bits[c == 2], "row %zu, class %d: 0x%04x", i, c, got[c]);
    }
    struct outcome outcome =
        clmp("loss", "half.npy", "one.npy", "--gradient", "g.npy", "--gradient-scale", "1e-7", NULL);
    ck_assert(strstr(outcome.out, "overflowed ") != NULL && strstr(outcome.out, "underflowed ") != NULL);
    assert_done(outcome);
    outcome = clmp("loss", "half.npy", "one.npy", NULL);
    ck_assert(strstr(outcome.out, "flowed") == NULL);
    assert_done(outcome);
}
END_TEST

START_TEST(logits_may_have_their_classes_last) {
    write_inputs();
    float last[CLASSES * PLANE];
    for (size_t i = 0; i < CLASSES * PLANE; ++i)
        last[i % PLANE * CLASSES + i / PLANE] = logits[0][i];
    write_npy("last.npy", "<f4", "(6, 7, 4)", last, sizeof last);
    json_t *first = json_of(clmp("loss", "a.npy", "maps/a.npy", "--gradient", "first.npy", "--json", NULL));
    json_t *object = json_of(clmp("loss", "last.npy", "maps/a.npy", "--layout", "nhwc", "--gradient", "g.npy",
                                  "--gradient-scale", "2", "--json", NULL));
    ck_assert(json_equal(first, object));
    float *one = read_npy("first.npy", "(4, 6, 7)", CLASSES * PLANE),
          *two = read_npy("g.npy", "(6, 7, 4)", CLASSES * PLANE);
    for (size_t i = 0; i < CLASSES * PLANE; ++i)
        ck_assert(two[i % PLANE * CLASSES + i / PLANE] == 2.0f * one[i]);
    free(one);
    free(two);
    json_decref(first);
    json_decref(object);
    first = json_of(clmp("eval", "a.npy", "maps/a.npy", "--json", NULL));
    object = json_of(clmp("eval", "last.npy", "maps/a.npy", "--layout", "nhwc", "--json", NULL));
    ck_assert(json_equal(first, object));
    json_decref(first);
    json_decref(object);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- lists */

START_TEST(a_list_gives_what_its_pairs_give) {
    static const char *const weightings[] = {"lmp", "balanced"};
    write_inputs();
    json_t *list = json_of(clmp("loss", "--list", "list.txt", "--weighting", weightings[_i], "--json", NULL));
    json_t *pairs = json_object_get(list, "pairs");
    ck_assert(json_array_size(pairs) == FILES);
    double sum = 0.0;
    for (size_t f = 0; f < FILES; ++f) {
        const char step[] = {(char)('0' + f), '\0'}; /* each pair has its own */
        json_t *alone = json_of(clmp("loss", logits_names[f], labels_names[f], "--weighting", weightings[_i], "--json",
                                     _i == 1 ? "--step" : NULL, step, NULL));
        json_object_set_new(alone, "logits", json_string(logits_names[f]));
        json_object_set_new(alone, "labels", json_string(labels_names[f]));
        ck_assert_msg(json_equal(alone, json_array_get(pairs, f)), "pair %zu", f);
        sum += number(alone, "loss");
        json_decref(alone);
    }
    ck_assert(fabs(number(list, "loss") - sum / FILES) < 1e-6);
    json_decref(list);
}
END_TEST

START_TEST(a_list_is_a_table) {
    write_inputs();
    struct outcome outcome = clmp("loss", "--list", "list.txt", NULL);
    for (size_t f = 0; f < FILES; ++f)
        ck_assert(strstr(outcome.out, logits_names[f]) != NULL);
    ck_assert(strstr(outcome.out, "mean loss") != NULL && strchr(outcome.out, '\x1b') == NULL);
    ck_assert_str_eq(outcome.err, ""); /* a bar is for a terminal */
    assert_done(outcome);
}
END_TEST

/* A bar for each file that is done, with what it does to the line; it is gone at the end, and standard output has no
 * part of it.  Names do not steer the terminal. */
START_TEST(a_terminal_sees_progress) {
    static const char *const commands[][4] = {
        {"loss", "--list", "list.txt"}, {"eval", "--list", "list.txt"}, {"class-weights", "maps"}};
    write_inputs();
    write_npy("maps/\x1b[31m.npy", "|u1", "(6, 7)", labels[0], sizeof labels[0]);
    const char *const argv[] = {cli_path(), commands[_i][0], commands[_i][1], commands[_i][2], NULL};
    struct outcome outcome = run_on_terminal(argv);
    ck_assert(unlink("maps/\x1b[31m.npy") == 0); /* of the folder that the other tests have, too */
    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    const int files = _i == 2 ? FILES + 1 : FILES;
    char first[64], last[64];
    snprintf(first, sizeof first, "\r\x1b[K[..............................] 0/%d  ", files);
    snprintf(last, sizeof last, "] %d/%d, ", files - 1, files);
    ck_assert_msg(strncmp(outcome.err, first, strlen(first)) == 0, "%s", outcome.err);
    ck_assert_msg(strstr(outcome.err, last) != NULL && strstr(outcome.err, " s left  ") != NULL, "%s", outcome.err);
    const size_t length = strlen(outcome.err);
    ck_assert(length > 4 && strcmp(outcome.err + length - 4, "\r\x1b[K") == 0);
    ck_assert(_i != 2 || strstr(outcome.err, "?[31m.npy") != NULL);
    for (const char *escape = outcome.err; (escape = strchr(escape, '\x1b')) != NULL; escape++)
        ck_assert_msg(strncmp(escape, "\x1b[K", 3) == 0, "%s", escape);
    ck_assert(strchr(outcome.out, '\x1b') == NULL);
    outcome_free(&outcome);
}
END_TEST

/* ------------------------------------------------------------------------------------------------ class weights */

static void count_by_hand(uint64_t counts[CLASSES]) {
    memset(counts, 0, CLASSES * sizeof *counts);
    for (size_t f = 0; f < FILES; ++f)
        for (size_t i = 0; i < PLANE; ++i)
            if (labels[f][i] < CLASSES)
                ++counts[labels[f][i]];
}

START_TEST(class_weights_of_a_folder) {
    uint64_t counts[CLASSES];
    write_inputs();
    count_by_hand(counts);
    json_t *object = json_of(clmp("class-weights", "maps", "--classes", "4", "--absent", "0.5", "--json", NULL));
    json_t *pixels = json_object_get(object, "pixels"), *weights = json_object_get(object, "weights");
    ck_assert(json_array_size(pixels) == CLASSES && json_array_size(weights) == CLASSES);
    const double labelled = (double)(counts[0] + counts[1] + counts[2]);
    for (size_t c = 0; c < CLASSES; ++c) {
        const double weight = json_number_value(json_array_get(weights, c));
        ck_assert(json_integer_value(json_array_get(pixels, c)) == (json_int_t)counts[c]);
        ck_assert(counts[c] == 0 ? weight == 0.5 : fabs(weight - labelled / (3.0 * (double)counts[c])) < 1e-6);
    }
    ck_assert(number(object, "images") == FILES && number(object, "invalid_labels") == FILES);
    ck_assert(number(object, "ignored") == 4.0 * FILES);
    json_decref(object);
}
END_TEST

START_TEST(class_weights_of_files_in_any_order) {
    write_inputs();
    const int64_t wide[] = {12, -1, 300, 12, 0, -7};
    write_npy("wide.npy", "<i8", "(1, 2, 3)", wide, sizeof wide);
    json_t *one = json_of(clmp("class-weights", "maps/a.npy", "wide.npy", "maps", "--scheme", "median-sqrt",
                               "--ignore-index", "300", "-o", "one.npy", "--json", NULL));
    json_t *two = json_of(clmp("class-weights", "wide.npy", "maps/a.npy", "maps/c.NPY", "maps/b b.png", "maps/a.npy",
                               "--scheme", "median-sqrt", "--ignore-index", "300", "-o", "two.npy", "--json", NULL));
    ck_assert(json_equal(one, two));
    ck_assert(json_array_size(json_object_get(one, "weights")) == 256); /* 255 is a class here */
    ck_assert(number(one, "invalid_labels") == 2.0 && number(one, "ignored") == 1.0);
    assert_same_file("one.npy", "two.npy", true);
    float *weights = read_npy("one.npy", "(256,)", 256);
    for (size_t c = 0; c < 256; ++c)
        ck_assert((double)weights[c] == json_number_value(json_array_get(json_object_get(one, "weights"), c)));
    free(weights);
    json_decref(one);
    json_decref(two);
}
END_TEST

START_TEST(class_weights_are_what_loss_reads) {
    write_inputs();
    assert_done(clmp("class-weights", "maps", "--classes", "4", "-o", "w.npy", NULL));
    json_t *with = json_of(clmp("loss", "a.npy", "maps/a.npy", "--class-weights", "w.npy", "--json", NULL));
    json_t *without = json_of(clmp("loss", "a.npy", "maps/a.npy", "--json", NULL));
    ck_assert(number(with, "loss") != number(without, "loss"));
    json_decref(with);
    json_decref(without);
}
END_TEST

/* --------------------------------------------------------------------------------------------------- evaluation */

START_TEST(evaluation_is_what_one_counts_by_hand) {
    uint64_t confusion[CLASSES][CLASSES] = {{0}}, unpredicted = 0, correct = 0, pixels = 0;
    write_inputs();
    logits[0][PLANE + 20] = NAN;
    logits[1][2 * PLANE + 21] = INFINITY;
    for (size_t f = 0; f < FILES; ++f) {
        write_npy(logits_names[f], "<f4", "(4, 6, 7)", logits[f], sizeof logits[f]);
        for (size_t i = 0; i < PLANE; ++i) {
            size_t best = 0;
            bool nan = false;
            for (size_t c = 0; c < CLASSES; ++c) {
                nan = nan || isnan(logits[f][c * PLANE + i]);
                best = logits[f][c * PLANE + i] > logits[f][best * PLANE + i] ? c : best;
            }
            if (labels[f][i] >= CLASSES)
                continue;
            unpredicted += nan;
            confusion[labels[f][i]][best] += !nan;
            pixels += !nan;
            correct += !nan && best == labels[f][i];
        }
    }
    json_t *object = json_of(clmp("eval", "--list", "list.txt", "--json", NULL));
    const json_t *rows = json_object_get(object, "confusion");
    double iou = 0.0;
    int present = 0;
    for (size_t y = 0; y < CLASSES; ++y) {
        uint64_t either = 0;
        for (size_t c = 0; c < CLASSES; ++c) {
            ck_assert(json_integer_value(json_array_get(json_array_get(rows, y), c)) == (json_int_t)confusion[y][c]);
            either += confusion[y][c] + (c != y ? confusion[c][y] : 0);
        }
        present += either > 0;
        iou += either > 0 ? (double)confusion[y][y] / (double)either : 0.0;
    }
    ck_assert(unpredicted == 1 && number(object, "unpredicted") == 1.0);
    ck_assert(fabs(number(object, "mean_iou") - iou / present) < 1e-12);
    ck_assert(fabs(number(object, "pixel_accuracy") - (double)correct / (double)pixels) < 1e-12);
    json_t *pairs = json_of(clmp("eval", logits_names[0], labels_names[0], logits_names[1], labels_names[1],
                                 logits_names[2], labels_names[2], "--json", NULL));
    ck_assert(json_equal(object, pairs));
    struct outcome outcome = clmp("eval", "--list", "list.txt", NULL);
    ck_assert(strstr(outcome.out, "mean IoU") != NULL && strstr(outcome.out, "3 pairs") != NULL);
    assert_done(outcome);
    json_decref(object);
    json_decref(pairs);
}
END_TEST

START_TEST(evaluation_of_binary_classes) {
    uint64_t both[CLASSES][2][2] = {{{0}}}, ignored = 0;
    write_inputs();
    uint8_t masks[CLASSES * PLANE];
    for (size_t i = 0; i < CLASSES * PLANE; ++i) {
        masks[i] = (uint8_t)(i % 13 == 4 ? IGNORED : i % 3 == 0 && i / PLANE < 3);
        ignored += masks[i] == IGNORED;
        if (masks[i] != IGNORED)
            both[i / PLANE][masks[i]][logits[0][i] > 0.0f] += 1;
    }
    write_npy("masks.npy", "|u1", "(4, 6, 7)", masks, sizeof masks);
    json_t *object = json_of(clmp("eval", "a.npy", "masks.npy", "--loss", "bce", "--json", NULL));
    const json_t *iou = json_object_get(object, "iou"), *matrices = json_object_get(object, "confusion");
    double sum = 0.0;
    for (size_t c = 0; c < CLASSES; ++c) {
        const double want = (double)both[c][1][1] / (double)(both[c][1][0] + both[c][1][1] + both[c][0][1]);
        ck_assert(fabs(json_number_value(json_array_get(iou, c)) - want) < 1e-12);
        for (size_t y = 0; y < 4; ++y)
            ck_assert(json_integer_value(json_array_get(json_array_get(json_array_get(matrices, c), y / 2), y % 2)) ==
                      (json_int_t)both[c][y / 2][y % 2]);
        sum += want;
    }
    ck_assert(fabs(number(object, "mean_iou") - sum / CLASSES) < 1e-12);
    ck_assert(number(object, "ignored") == (double)ignored);
    json_decref(object);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------- refusals */

static const struct {
    const char *arguments[10], *one, *two; /* both are in the line */
} refused[] = {
    {{"loss", "a.npy", "maps/a.npy", "--weighting", "lpm"}, "--weighting is 'lpm'", "ohem or balanced"},
    {{"loss", "a.npy", "maps/a.npy", "--count", "0"}, "--count is '0'", "from 1 on"},
    {{"loss", "a.npy", "maps/a.npy", "--count", "-1"}, "--count is '-1'", "whole number"},
    {{"loss", "a.npy", "maps/a.npy", "--min-kept", "1.5"}, "--min-kept is '1.5'", "whole number"},
    {{"loss", "a.npy", "maps/a.npy", "--thresh", "1"}, "--thresh is '1'", "(0, 1)"},
    {{"loss", "a.npy", "maps/a.npy", "--thresh", "nan"}, "--thresh is 'nan'", "(0, 1)"},
    {{"loss", "a.npy", "maps/a.npy", "--sampling", "both"}, "--sampling is 'both'", "even, under or over"},
    {{"loss", "a.npy", "maps/a.npy", "--seed", "18446744073709551616"}, "--seed", "whole number"},
    {{"loss", "a.npy", "maps/a.npy", "--loss", "dice"}, "--loss is 'dice'", "bce or binary-focal"},
    {{"loss", "a.npy", "maps/a.npy", "--loss", "bce"}, "maps/a.npy is 6x7", "expected 4x6x7, as a.npy"},
    {{"loss", "a.npy", "maps/a.npy", "--label-smoothing", "1"}, "--label-smoothing is '1'", "[0, 1)"},
    {{"loss", "a.npy", "maps/a.npy", "--loss", "focal", "--gamma", "9"}, "--gamma is '9'", "2^-10 to 8"},
    {{"loss", "a.npy", "maps/a.npy", "--alpha", "0"}, "--alpha is '0'", "(0, 1]"},
    {{"loss", "a.npy", "maps/a.npy", "--layout", "chw"}, "--layout is 'chw'", "nchw or nhwc"},
    {{"loss", "a.npy", "maps/a.npy", "--gradient-scale", "inf"}, "--gradient-scale is 'inf'", "finite"},
    {{"weights", "losses.npy", "--weighting", "balanced"}, "balanced", "labels"},
    {{"loss", "--list", "list.txt", "a.npy"}, "'a.npy'", "--list alone"},
    {{"loss", "--list", "list.txt", "--gradient", "g.npy"}, "--gradient", "--list"},
    {{"loss", "--list", "none.txt"}, "none.txt", "No such file"},
    {{"loss", "--list", "comments.txt"}, "comments.txt", "no pair"},
    {{"loss", "--list", "one.txt"}, "one.txt, line 2", "one name"},
    {{"loss", "--list", "three.txt"}, "three.txt, line 1", "more than two names"},
    {{"loss", "--list", "binary.txt"}, "binary.txt", "no text"},
    {{"loss", "--list", "classes.txt"}, "five.npy has 5 classes", "expected 4 as a.npy has"},
    {{"eval", "--list", "classes.txt"}, "five.npy has 5 classes", "expected 4 as a.npy has"},
    {{"eval", "a.npy"}, "1 file is given", "in pairs"},
    {{"eval", "a.npy", "maps/a.npy", "c.npy"}, "3 files", "in pairs"},
    {{"eval", "a.npy", "maps/a.npy", "--p", "2"}, "--p", "unknown"},
    {{"class-weights"}, "0 files", "files or folders"},
    {{"class-weights", "nowhere"}, "nowhere", "No such file"},
    {{"class-weights", "empty"}, "empty", "no .png or .npy file"},
    {{"class-weights", "a.npy"}, "a.npy", "float32"},
    {{"class-weights", "deep.npy"}, "deep.npy is 1x2x1x1", "(N,1,H,W)"},
    {{"class-weights", "ignored.npy"}, "no pixel", "class"},
    {{"class-weights", "huge.npy"}, "1048576", "below 2^20"},
    {{"class-weights", "maps", "-o", "maps/a.npy"}, "maps/a.npy", "also read"},
    {{"class-weights", "maps", "--scheme", "mean"}, "--scheme is 'mean'", "enet or effective"},
    {{"class-weights", "maps", "--absent", "inf"}, "--absent is 'inf'", ">= 0"},
    {{"class-weights", "maps", "--beta", "1"}, "--beta is '1'", "[0, 1)"},
    {{"class-weights", "maps", "--enet-offset", "1"}, "--enet-offset is '1'", "> 1"},
    {{"class-weights", "maps", "--classes", "0"}, "--classes is '0'", "from 1 to 1048576"},
    {{"class-weights", "maps", "--classes", "2000000"}, "2000000", "1048576"},
};

static void write_bad_inputs(void) {
    static const float five[5 * PLANE], losses[2] = {1.0f, 2.0f};
    static const uint8_t ignored[] = {255, 255};
    static const int32_t huge[] = {1048576, 0};
    write_inputs();
    mkdir("empty", 0777);
    write_npy("five.npy", "<f4", "(5, 6, 7)", five, sizeof five);
    write_npy("losses.npy", "<f4", "(2,)", losses, sizeof losses);
    write_npy("ignored.npy", "|u1", "(1, 2)", ignored, sizeof ignored);
    write_npy("deep.npy", "|u1", "(1, 2, 1, 1)", ignored, sizeof ignored);
    write_npy("huge.npy", "<i4", "(1, 2)", huge, sizeof huge);
    write_file("comments.txt", "# only\n", 7);
    write_file("one.txt", "a.npy maps/a.npy\nc.npy\n", 23);
    write_file("three.txt", "a.npy maps/a.npy c.npy\n", 23);
    write_file("binary.txt", "a.npy\0maps\n", 11);
    write_file("classes.txt", "a.npy maps/a.npy\nfive.npy maps/a.npy\n", 37);
}

START_TEST(bad_input_is_refused) {
    const char *argv[12] = {cli_path()};
    for (int i = 0; refused[_i].arguments[i] != NULL; ++i)
        argv[i + 1] = refused[_i].arguments[i];
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 2, refused[_i].one, refused[_i].two);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cli sets");
    TCase *tcase = add_case(suite, "sets", "full quick");
    tcase_add_unchecked_fixture(tcase, write_bad_inputs, NULL);
    tcase_add_test(tcase, weightings_meet_where_they_are_the_same);
    tcase_add_test(tcase, a_list_is_a_table);
    tcase_add_loop_test(tcase, a_terminal_sees_progress, 0, 3);
    tcase_add_test(tcase, class_weights_of_a_folder);
    tcase_add_test(tcase, evaluation_is_what_one_counts_by_hand);
    tcase_add_loop_test(tcase, bad_input_is_refused, 0, sizeof refused / sizeof *refused);
    tcase = add_case(suite, "variants", "full");
    tcase_add_test(tcase, means_are_by_count_or_by_class_weights);
    tcase_add_test(tcase, sampling_depends_on_seed_and_step_alone);
    tcase_add_test(tcase, weightings_of_losses);
    tcase_add_test(tcase, losses_are_chosen_by_name);
    tcase_add_test(tcase, a_gradient_in_float16_says_what_it_has_no_room_for);
    tcase_add_test(tcase, evaluation_of_binary_classes);
    tcase_add_test(tcase, binary_losses_have_a_label_map_for_each_class);
    tcase_add_test(tcase, logits_may_have_their_classes_last);
    tcase_add_loop_test(tcase, a_list_gives_what_its_pairs_give, 0, 2);
    tcase_add_test(tcase, class_weights_of_files_in_any_order);
    tcase_add_test(tcase, class_weights_are_what_loss_reads);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}
