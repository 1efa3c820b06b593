/*
 * clmp-train compare --choose-on: what settings are chosen on, what is reported then, and what logs say of steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 40, HEIGHT = 32, PIXELS = WIDTH * HEIGHT, CLASSES = 3, IGNORED = 255 };

/* Three sequences, the largest of which is not held out; the others' names are not in UTF-8. */
static const char *const train[] = {"a_f1", "a_f2", "a_f3", "b\xe9_f7", "b\xe9_f8", "c\xe9_f11", "c\xe9_f12"};
enum { TRAIN = sizeof train / sizeof *train, VAL = 2 };

/* Bands of classes in noise. */
static void write_pair(const char *split, const char *name, int number, const unsigned char relabelled[CLASSES]) {
    struct rng rng = rng_for("choice", (uint64_t)number);
    unsigned char rgb[3 * PIXELS], labels[PIXELS];
    char path[128];
    const size_t first = 6 + rng_below(&rng, 8), second = 18 + rng_below(&rng, 8);
    for (size_t i = 0; i < PIXELS; ++i) {
        const size_t y = i / WIDTH, class = y >= second ? 2 : y >= first;
        labels[i] = i % 17 == 0 ? IGNORED : relabelled[class];
        for (size_t k = 0; k < 3; ++k)
            rgb[3 * i + k] = (unsigned char)fmin(
                255.0, fmax(0.0, 60.0 + 70.0 * (double)((class + k) % 3) + 30.0 * rng_normal(&rng)));
    }
    snprintf(path, sizeof path, "data/%s/%s.png", split, name);
    write_png(path, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, false, rgb);
    snprintf(path, sizeof path, "data/%sannot/%s.png", split, name);
    write_png(path, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
}

static const unsigned char as_they_are[CLASSES] = {0, 1, 2}, turned[CLASSES] = {2, 0, 1},
                           ignored[CLASSES] = {IGNORED, IGNORED, IGNORED};

static void write_validation(int number, const unsigned char relabelled[CLASSES]) {
    for (int i = 0; i < VAL; ++i) {
        char name[16];
        snprintf(name, sizeof name, "v_%d", i);
        write_pair("val", name, number + i, relabelled);
    }
}

static void write_data(void) {
    static const char *const folders[] = {"data", "data/train", "data/trainannot", "data/val", "data/valannot"};
    static const char list[] = "sky 10 20 200\nroad 90 90 90\nsign 250 200 0\n";
    for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i)
        ck_assert(mkdir(folders[i], 0777) == 0);
    for (int i = 0; i < TRAIN; ++i)
        write_pair("train", train[i], i, as_they_are);
    write_validation(100, as_they_are);
    write_file("data/classes.txt", list, sizeof list - 1);
}

static json_t *load(const char *name) {
    json_error_t error;
    json_t *object = json_load_file(name, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json_is_object(object), "%s: %s", name, error.text);
    return object;
}

static double mean_iou(const char *name) {
    json_t *result = load(name);
    const double value = number(result, "mean_iou");
    json_decref(result);
    return value;
}

static void assert_same(const char *a, const char *b, bool same) {
    size_t size_a, size_b;
    char *bytes_a = read_file(a, &size_a), *bytes_b = read_file(b, &size_b);
    ck_assert_msg((size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0) == same, "%s and %s", a, b);
    free(bytes_a);
    free(bytes_b);
}

static void assert_trained(struct outcome outcome) {
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    outcome_free(&outcome);
}

/* Notes, then one line. */
static void assert_says(struct outcome outcome, const char *one, const char *two) {
    ck_assert_msg(outcome.status == 2, "status %d: %s", outcome.status, outcome.err);
    ck_assert_msg(strstr(outcome.err, one) != NULL && strstr(outcome.err, two) != NULL, "no '%s' and '%s' in: %s", one,
                  two, outcome.err);
    ck_assert_msg(outcome.size == 0, "standard output has: %s", outcome.out);
    outcome_free(&outcome);
}

static const char weightings[] = "uniform,lmp:support=0.5,topk:support=0.5,lmp:support=0.1,topk:support=0.05";

static struct outcome choose(const char *output, const char *among, const char *fraction) {
    return clmp("compare", "data", "-o", output, "--weightings", among, "--choose-on", fraction, "--seeds", "2",
                "--steps", "6", "--batch", "2", "--note", "made by a test", NULL);
}

/* ------------------------------------------------------------------------------------------------------------ choice
 */

/* Each family's best on what was held out, and nothing else, is reported, with intervals of its differences. */
static void assert_choice(const char *path) {
    static const char *const folders[] = {"uniform", "lmp_support_0.5", "topk_support_0.5", "lmp_support_0.1",
                                          "topk_support_0.05"};
    double held[5];
    char name[128];
    json_t *all = load(path);
    const json_t *choice = json_object_get(all, "choice"), *among = json_object_get(choice, "weightings");
    ck_assert_uint_eq(json_array_size(among), 5);
    for (size_t w = 0; w < 5; ++w) {
        held[w] = 0.0;
        for (int seed = 1; seed <= 2; ++seed) {
            snprintf(name, sizeof name, "out/choice/%s/seed-%d/result.json", folders[w], seed);
            held[w] += mean_iou(name) / 2.0;
        }
        ck_assert_double_eq_tol(number(json_array_get(among, w), "mean_iou"), held[w], 1e-8);
    }
    const size_t chosen[] = {0, held[3] > held[1] ? 3 : 1, held[4] > held[2] ? 4 : 2};
    for (size_t w = 1; w < 5; ++w)
        ck_assert(json_is_true(json_object_get(json_array_get(among, w), "chosen")) ==
                  (w == chosen[1] || w == chosen[2]));
    const json_t *reported = json_object_get(all, "weightings");
    ck_assert_uint_eq(json_array_size(reported), 3);
    for (size_t w = 0; w < 5; ++w) {
        snprintf(name, sizeof name, "out/%s/seed-1/result.json", folders[w]);
        ck_assert_msg((access(name, F_OK) == 0) == (w == 0 || w == chosen[1] || w == chosen[2]), "%s", name);
    }
    for (size_t i = 1; i < 3; ++i) {
        double more[2];
        for (int seed = 0; seed < 2; ++seed) {
            snprintf(name, sizeof name, "out/%s/seed-%d/result.json", folders[chosen[i]], seed + 1);
            more[seed] = mean_iou(name);
            snprintf(name, sizeof name, "out/uniform/seed-%d/result.json", seed + 1);
            more[seed] -= mean_iou(name);
        }
        /* one of the two that are chosen is reported at this place: the one that was given first */
        const json_t *figure = NULL;
        for (size_t r = 1; r < 3; ++r) {
            const json_t *other = json_object_get(json_array_get(reported, r), "mean_iou");
            if (fabs(number(other, "more") - (more[0] + more[1]) / 2.0) < 1e-8)
                figure = other;
        }
        ck_assert(figure != NULL);
        /* 12.706 is Student's for two seeds: half is 12.706 |d1 - d2| / sqrt 2 / sqrt 2 */
        const double half = 12.7062 * fabs(more[0] - more[1]) / 2.0;
        ck_assert_double_eq_tol(number(figure, "high") - number(figure, "more"), half, 1e-4 * (1e-3 + half));
        ck_assert_double_eq_tol(number(figure, "more") - number(figure, "low"), half, 1e-4 * (1e-3 + half));
    }
    const json_t *origin = json_object_get(all, "made_by");
    ck_assert(strstr(json_string_value(json_object_get(origin, "command")), "clmp-train compare data -o out ") != NULL);
    ck_assert(strstr(json_string_value(json_object_get(origin, "command")), " --note 'made by a test'") != NULL);
    ck_assert_str_eq(json_string_value(json_object_get(origin, "note")), "made by a test");
    ck_assert(strlen(json_string_value(json_object_get(origin, "machine"))) > 10);
    json_decref(all);
}

static ino_t inode(const char *name) {
    struct stat status;
    ck_assert_msg(stat(name, &status) == 0, "%s", name);
    return status.st_ino;
}

START_TEST(choices_are_made_on_what_is_held_out_and_reported_once) {
    write_data();
    struct outcome outcome = choose("out", weightings, "0.3");
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    ck_assert_msg(strstr(outcome.err, "settings are chosen on 2 of 7 training images, 1 of 3 sequences (") != NULL,
                  "%s", outcome.err);
    ck_assert(strstr(outcome.out, "% on 2 held-out images") != NULL &&
              strstr(outcome.out, "% on 2 validation") != NULL);
    outcome_free(&outcome);
    assert_choice("out/comparison.json");
    json_t *result = load("out/choice/uniform/seed-1/result.json");
    ck_assert(strstr(json_string_value(json_object_get(result, "settings")),
                     "images 5+2 classes 3 network 1 held-out") != NULL);
    json_decref(result);
    char *table = read_file("out/table.txt", NULL);
    ck_assert(strstr(table, "  chosen\n") != NULL && strstr(table, "\nmade by a test\n") != NULL &&
              strstr(table, "(Student's t, 2 seeds)") != NULL &&
              strstr(table, "\nagain: clmp-train compare data") != NULL);
    free(table);

    /* the same command goes on: what is complete stays, what is missing is made again */
    const ino_t chosen = inode("out/choice/uniform/seed-1/result.json"),
                first = inode("out/uniform/seed-1/result.json");
    char *csv = read_file("out/table.csv", NULL);
    ck_assert(unlink("out/uniform/seed-2/result.json") == 0 &&
              unlink("out/choice/topk_support_0.5/seed-1/result.json") == 0);
    assert_trained(choose("out", weightings, "0.3"));
    ck_assert(inode("out/choice/uniform/seed-1/result.json") == chosen &&
              inode("out/uniform/seed-1/result.json") == first);
    char *again = read_file("out/table.csv", NULL);
    ck_assert_str_eq(csv, again);
    free(csv);
    free(again);

    /* another choice is another look at the validation images */
    assert_says(choose("out", "uniform,lmp:support=0.5,topk:support=0.5", "0.3"),
                "comparison.json reports another choice", "choose another --output");
    assert_says(choose("out", weightings, "0.6"), "comparison.json reports another choice", "");

    /* whatever the validation images are, the choice is the same, and the report is not */
    write_validation(200, turned);
    assert_trained(choose("other", weightings, "0.3"));
    assert_same("other/choice/table.csv", "out/choice/table.csv", true);
    assert_same("other/choice/uniform/seed-2/network.ckpt", "out/choice/uniform/seed-2/network.ckpt", true);
    assert_same("other/uniform/seed-1/network.ckpt", "out/uniform/seed-1/network.ckpt", true);
    assert_same("other/table.csv", "out/table.csv", false);
}
END_TEST

static struct outcome run_with(const char *output, const char *option, const char *value) {
    return clmp("run", "data", "-o", output, "--steps", "3", "--batch", "2", option, value, NULL);
}

/* Both are told, and reach what is trained. */
START_TEST(flips_and_wrong_labels_are_options) {
    static const char *const outputs[] = {"plain", "unflipped", "wrong"};
    static const char *const told[] = {NULL, " no-flip", " wrong-labels 0.25"};
    write_data();
    assert_trained(run_with("plain", NULL, NULL));
    assert_trained(run_with("unflipped", "--no-flip", NULL));
    assert_trained(run_with("wrong", "--wrong-labels", "0.25"));
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/result.json", outputs[i]);
        json_t *result = load(name);
        const char *settings = json_string_value(json_object_get(result, "settings"));
        for (int k = 1; k < 3; k++)
            ck_assert_msg((strstr(settings, told[k]) != NULL) == (i == k), "%s", settings);
        json_decref(result);
        snprintf(name, sizeof name, "%s/log.csv", outputs[i]);
        assert_same(name, "plain/log.csv", i == 0); /* of the losses */
    }
    assert_says(run_with("plain", "--no-flip", NULL), "is the result of another run", "");
    assert_says(run_with("out", "--wrong-labels", "1.5"), "--wrong-labels is '1.5'", "a number in [0, 1]");
    assert_says(run_with("out", "--wrong-labels", "nan"), "--wrong-labels is 'nan'", "");
}
END_TEST

/* A process that has a run, until there is a file of the name. */
static pid_t take_run(const char *folder, const char *until) {
    char path[128], byte;
    int ends[2];
    ck_assert(pipe(ends) == 0);
    snprintf(path, sizeof path, "%s/lock", folder);
    const pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        const int file = open(path, O_RDWR | O_CREAT, 0666);
        const bool taken = file >= 0 && fcntl(file, F_SETLK, &(struct flock){.l_type = F_WRLCK}) == 0;
        if (!taken || write(ends[1], "t", 1) != 1)
            _exit(1);
        for (int i = 0; i < 60000 && access(until, F_OK) != 0; ++i)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        _exit(0);
    }
    close(ends[1]);
    ck_assert_msg(read(ends[0], &byte, 1) == 1, "%s is taken already", path);
    close(ends[0]);
    return child;
}

static void assert_ended(pid_t child) {
    int status;
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct outcome compare_two(void) {
    return clmp("compare", "data", "-o", "out", "--weightings", "uniform,topk:support=0.5", "--seeds", "1", "--steps",
                "4", "--batch", "2", NULL);
}

/* What another process is at is left to it, and waited for, and the rest is done. */
START_TEST(processes_share_the_runs) {
    static const char first[] = "out/uniform/seed-1/result.json", second[] = "out/topk_support_0.5/seed-1/result.json";
    write_data();
    assert_trained(compare_two());
    char *csv = read_file("out/table.csv", NULL);
    ck_assert(unlink(first) == 0 && unlink(second) == 0);
    pid_t child = take_run("out/uniform/seed-1", second); /* that it has gone: the first was passed over */
    assert_trained(compare_two());
    assert_ended(child);
    char *again = read_file("out/table.csv", NULL);
    ck_assert_str_eq(csv, again);
    free(csv);
    free(again);

    ck_assert(unlink(first) == 0);
    child = take_run("out/uniform/seed-1", "done");
    assert_says(
        clmp("run", "data", "-o", "out/uniform/seed-1", "--weighting", "uniform", "--steps", "4", "--batch", "2", NULL),
        "another process trains in out/uniform/seed-1", "");
    write_file("done", "", 0);
    assert_ended(child);
}
END_TEST

START_TEST(choices_that_cannot_be_made_are_refused) {
    static const char both[] = "uniform,lmp";
    write_data();
    assert_says(choose("out", both, "0"), "--choose-on is '0'", "a number in (0, 1)");
    assert_says(choose("out", both, "1"), "--choose-on is '1'", "");
    assert_says(choose("out", both, "-0.1"), "--choose-on is '-0.1'", "");
    assert_says(choose("out", "lmp", "0.3"), "--choose-on: there is one weighting, lmp", "");
    assert_says(clmp("compare", "data", "-o", "out", "--choose-seeds", "2", NULL), "--choose-seeds is given without",
                "");
    assert_says(clmp("run", "data", "-o", "out", "--note", "\xff", NULL), "--note is '", "expected UTF-8");
    assert_says(clmp("run", "data", "-o", "out", "--choose-on", "0.3", NULL), "unknown option --choose-on", "");
    for (int i = 0; i < TRAIN; ++i)
        write_pair("train", train[i], i, ignored);
    write_pair("train", train[0], 0, as_they_are); /* of the largest sequence, which is not held out */
    assert_says(choose("out", both, "0.3"), "no pixel of the images held out to choose on has a class", "");
    for (int i = 0; i < TRAIN; ++i)
        write_pair("train", train[i], i, as_they_are);
    char *bytes = read_file("data/val/v_1.png", NULL);
    write_file("data/val/v_1.png", bytes, 100);
    free(bytes);
    assert_says(choose("out", both, "0.3"), "data/val/v_1.png", ""); /* found before hours of training */
    ck_assert(access("out/choice", F_OK) != 0);
    write_validation(100, as_they_are);
    for (int i = 1; i < TRAIN; ++i) {
        char name[64];
        snprintf(name, sizeof name, "data/train/%s.png", train[i]);
        ck_assert(unlink(name) == 0);
        snprintf(name, sizeof name, "data/trainannot/%s.png", train[i]);
        ck_assert(unlink(name) == 0);
    }
    assert_says(choose("out", both, "0.3"), "--choose-on 0.3: the training split is one sequence of 1 image",
                "none is left to train with");
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- logs
 */

enum { LINES = 6, CELLS = 9 };

/* The numbers of a log; NaN: an empty cell. */
static void read_log(const char *name, double cells[LINES][CELLS]) {
    char *text = read_file(name, NULL), *at = strchr(text, '\n') + 1;
    ck_assert(strncmp(text, "step,loss,alpha,support,rate,mean_loss,below_0.01,mean_iou,pixel_accuracy\n", 74) == 0);
    for (int line = 0; line < LINES; ++line)
        for (int cell = 0; cell < CELLS; ++cell) {
            char *end;
            cells[line][cell] = strtod(at, &end);
            if (end == at || *at == '\n')
                cells[line][cell] = NAN;
            else
                at = end;
            ck_assert_msg(*at == (cell + 1 < CELLS ? ',' : '\n'), "line %d, cell %d: %s", line, cell, at);
            ++at;
        }
    free(text);
}

static void log_run(const char *output, const char *weighting, double cells[LINES][CELLS]) {
    char name[64];
    assert_trained(clmp("run", "data", "-o", output, "--weighting", weighting, "--steps", "6", "--batch", "2",
                        "--validate", "2", "--scale", "0.5,2", "--colour", "0.5", "--schedule", "poly", NULL));
    snprintf(name, sizeof name, "%s/log.csv", output);
    read_log(name, cells);
}

START_TEST(logs_tell_what_pooling_has_to_do) {
    enum { LOSS = 1, ALPHA, SUPPORT, RATE, MEAN, EASY, IOU, ACCURACY };
    double uniform[LINES][CELLS], weighted[LINES][CELLS], pooled[LINES][CELLS];
    write_data();
    log_run("uniform", "uniform", uniform);
    log_run("weighted", "uniform+median", weighted);
    log_run("pooled", "topk:support=0.25", pooled);
    for (int i = 0; i < LINES; ++i) {
        ck_assert_double_eq_tol(uniform[i][MEAN], uniform[i][LOSS], 2e-6 + 2e-5 * uniform[i][LOSS]);
        ck_assert(uniform[i][EASY] >= 0.0 && uniform[i][EASY] <= 1.0);
        ck_assert_double_eq_tol(uniform[i][RATE], 0.004 * pow(1.0 - i / 6.0, 0.9), 1e-8);
        ck_assert(isnan(uniform[i][IOU]) == (i % 2 == 0) && isnan(uniform[i][ACCURACY]) == (i % 2 == 0));
        ck_assert(pooled[i][MEAN] < pooled[i][LOSS] && fabs(pooled[i][SUPPORT] - 0.25) < 0.01);
    }
    /* in the first step all weightings see the same pictures by the same network */
    ck_assert_double_eq(pooled[0][MEAN], uniform[0][MEAN]);
    ck_assert_double_eq_tol(weighted[0][MEAN], uniform[0][MEAN], 1e-5 * uniform[0][MEAN]);
    ck_assert(fabs(weighted[0][LOSS] - uniform[0][LOSS]) > 1e-3 * uniform[0][LOSS]);
    json_t *result = load("uniform/result.json");
    ck_assert_double_eq_tol(uniform[LINES - 1][IOU], number(result, "mean_iou"), 1e-5);
    ck_assert_double_eq_tol(uniform[LINES - 1][ACCURACY], number(result, "pixel_accuracy"), 1e-5);
    ck_assert(number(result, "seconds") > 0.0);
    ck_assert(strstr(json_string_value(json_object_get(result, "settings")), " schedule poly scale 0.5-2 colour 0.5") !=
              NULL);
    json_decref(result);
    /* and the pictures are not those without augmentation */
    double plain[LINES][CELLS];
    assert_trained(
        clmp("run", "data", "-o", "pl\xe9n", "--weighting", "uniform", "--steps", "6", "--batch", "2", NULL));
    read_log("pl\xe9n/log.csv", plain);
    result = load("pl\xe9n/result.json"); /* names of folders may be of any bytes, JSON not */
    ck_assert(strstr(json_string_value(json_object_get(json_object_get(result, "made_by"), "command")),
                     " -o 'pl?n' ") != NULL);
    json_decref(result);
    ck_assert(fabs(plain[0][MEAN] - uniform[0][MEAN]) > 1e-3 && isnan(plain[1][IOU]) && !isnan(plain[LINES - 1][IOU]));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clmp-train compare --choose-on");
    TCase *full = add_case(suite, "choices", "full");
    tcase_add_checked_fixture(full, enter_folder, leave_folder);
    tcase_add_test(full, choices_are_made_on_what_is_held_out_and_reported_once);
    tcase_add_test(full, flips_and_wrong_labels_are_options);
    tcase_add_test(full, processes_share_the_runs);
    tcase_add_test(full, choices_that_cannot_be_made_are_refused);
    tcase_add_test(full, logs_tell_what_pooling_has_to_do);
    return host_test_main(suite);
}
