/*
 * Parts of clmp-train that need no device: schedules, augmentation, what is held out, intervals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "augment.h"
#include "comparison.h"
#include "holdout.h"
#include "schedule.h"
#include "support.h"
#include "wrong.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct failure failure;

/* -------------------------------------------------------------------------------------------------------- schedules */

START_TEST(schedules_are_as_defined) {
    enum { STEPS = 1001 };
    const double most = 0.02;
    enum schedule schedule = SCHEDULES;
    for (int i = 0; i < SCHEDULES; ++i) {
        ck_assert(schedule_find(schedule_name((enum schedule)i), &schedule) && (int)schedule == i);
        double largest = 0.0;
        for (uint64_t step = 0; step < STEPS; ++step) {
            const double rate = schedule_rate(schedule, most, step, STEPS), left = 1.0 - (double)step / STEPS;
            ck_assert(rate > 0.0 && rate <= most);
            largest = fmax(largest, rate);
            if (i == SCHEDULE_POLY)
                ck_assert_double_eq_tol(rate, most * pow(left, 0.9), 1e-15);
            if (i == SCHEDULE_COSINE)
                ck_assert_double_eq_tol(rate, most * 0.5 * (1.0 + cos(acos(-1.0) * (double)step / STEPS)), 1e-15);
        }
        ck_assert_double_eq(largest, most);
    }
    ck_assert(!schedule_find("linear", &schedule));
    ck_assert_double_eq_tol(schedule_rate(SCHEDULE_CYCLE, most, 0, STEPS), most / 25.0, 1e-15);
    ck_assert_double_eq_tol(schedule_rate(SCHEDULE_CYCLE, most, 300, STEPS), most, 1e-15);
    ck_assert_double_eq_tol(schedule_rate(SCHEDULE_CYCLE, most, STEPS - 1, STEPS), most / 1e4, 1e-15);
    ck_assert_double_eq(schedule_rate(SCHEDULE_POLY, most, 0, 1), most);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------- augmentation */

enum { HEIGHT = 37, WIDTH = 51, PIXELS = HEIGHT * WIDTH, IGNORE = 255 };
static uint8_t pixels[3 * PIXELS], classes[PIXELS];
static const struct picture picture = {HEIGHT, WIDTH, pixels, classes};
static const struct augmentation as_it_is = {1.0, 1.0, 0.0, false}, sizes = {0.5, 2.0, 0.0, false},
                                 tints = {1.0, 1.0, 0.5, false}, unflipped = {1.0, 1.0, 0.0, true};

static void fill_picture(void) {
    struct rng rng = rng_for("augment", 0);
    for (size_t i = 0; i < 3 * PIXELS; ++i)
        pixels[i] = (uint8_t)rng_below(&rng, 256);
    for (size_t i = 0; i < PIXELS; ++i)
        classes[i] = (uint8_t)rng_below(&rng, 5);
}

/* Without changes of size and colour a picture is cut, padded and flipped, and its bytes stay. */
START_TEST(what_is_not_changed_stays) {
    static const struct { size_t height, width; } cuts[] = {{HEIGHT, WIDTH}, {16, 20}, {60, 30}, {20, 80}};
    bool flipped[2] = {false, false};
    fill_picture();
    for (uint64_t place = 0; place < 40; ++place) {
        const size_t height = cuts[place % 4].height, width = cuts[place % 4].width;
        const struct change change = augment_draw(&as_it_is, 3, place, &picture, height, width);
        ck_assert(change.height == HEIGHT && change.width == WIDTH && !change.coloured);
        uint8_t *rgb = malloc(3 * height * width), *labels = malloc(height * width);
        augment_place(&picture, &change, IGNORE, rgb, labels);
        for (size_t y = 0; y < height; ++y)
            for (size_t x = 0; x < width; ++x) {
                const size_t to = y * width + (change.placement.flipped ? width - 1 - x : x);
                const size_t row = change.placement.top + y, column = change.placement.left + x;
                const bool inside = row < HEIGHT && column < WIDTH;
                ck_assert_uint_eq(labels[to], inside ? classes[row * WIDTH + column] : IGNORE);
                for (size_t i = 0; i < 3; ++i)
                    ck_assert_uint_eq(rgb[3 * to + i], inside ? pixels[3 * (row * WIDTH + column) + i] : 128);
            }
        flipped[change.placement.flipped] = true;
        const struct change straight = augment_draw(&unflipped, 3, place, &picture, height, width);
        ck_assert(!straight.placement.flipped && straight.placement.top == change.placement.top &&
                  straight.placement.left == change.placement.left);
        free(rgb);
        free(labels);
    }
    ck_assert(flipped[0] && flipped[1]);
}
END_TEST

/* Interpolation in double, of centres of pixels. */
START_TEST(sizes_change_as_defined) {
    static uint8_t rgb[3 * 4 * PIXELS], labels[4 * PIXELS];
    double least = 10.0, most = 0.0;
    fill_picture();
    for (uint64_t place = 0; place < 200; ++place) {
        struct change change = augment_draw(&sizes, 5, place, &picture, 2 * HEIGHT, 2 * WIDTH);
        const double scale = (double)change.width / WIDTH;
        least = fmin(least, scale);
        most = fmax(most, scale);
        ck_assert(change.height <= 2 * HEIGHT && change.width <= 2 * WIDTH);
        ck_assert_double_eq_tol((double)change.height / HEIGHT, scale, 1.0 / WIDTH + 1.0 / HEIGHT);
        if (place % 20 != 0)
            continue;
        change.placement.flipped = false;
        augment_place(&picture, &change, IGNORE, rgb, labels);
        for (size_t y = 0; y < change.height; ++y)
            for (size_t x = 0; x < change.width; ++x) {
                const double row = fmax(0.0, ((double)y + 0.5) * HEIGHT / (double)change.height - 0.5);
                const double column = fmax(0.0, ((double)x + 0.5) * WIDTH / (double)change.width - 0.5);
                const size_t up = (size_t)row, left = (size_t)column;
                const size_t down = up + 1 < HEIGHT ? up + 1 : up, right = left + 1 < WIDTH ? left + 1 : left;
                const double v = row - (double)up, h = column - (double)left;
                for (size_t i = 0; i < 3; ++i) {
                    const double want = (1.0 - v) * ((1.0 - h) * pixels[3 * (up * WIDTH + left) + i] +
                                                     h * pixels[3 * (up * WIDTH + right) + i]) +
                                        v * ((1.0 - h) * pixels[3 * (down * WIDTH + left) + i] +
                                             h * pixels[3 * (down * WIDTH + right) + i]);
                    /* places are in 256ths of a pixel */
                    ck_assert_double_eq_tol(rgb[3 * (y * 2 * WIDTH + x) + i], want, 2.6);
                }
                const size_t near_row = (2 * y + 1) * HEIGHT / (2 * change.height);
                const size_t near_column = (2 * x + 1) * WIDTH / (2 * change.width);
                ck_assert_uint_eq(labels[y * 2 * WIDTH + x], classes[near_row * WIDTH + near_column]);
            }
        ck_assert_uint_eq(labels[4 * PIXELS - 1],
                          change.height == 2 * HEIGHT && change.width == 2 * WIDTH ? classes[PIXELS - 1] : IGNORE);
    }
    ck_assert_msg(least < 0.55 && most > 1.95 && least > 0.48, "from %g to %g", least, most);
}
END_TEST

START_TEST(colours_change_within_bounds) {
    static uint8_t rgb[3 * PIXELS], labels[PIXELS];
    int clamped = 0, turned = 0;
    double darkest = 1e3, lightest = 0.0;
    fill_picture();
    for (size_t i = 0; i < PIXELS; i += 2) /* greys, which have no hue */
        pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[3 * i] = (uint8_t)(i % 200 + 20);
    for (uint64_t place = 0; place < 100; ++place) {
        struct change change = augment_draw(&tints, 5, place, &picture, HEIGHT, WIDTH);
        ck_assert(change.coloured && change.height == HEIGHT && change.width == WIDTH);
        change.placement.flipped = false;
        augment_place(&picture, &change, IGNORE, rgb, labels);
        ck_assert_mem_eq(labels, classes, PIXELS);
        for (size_t i = 0; i < PIXELS; i += 2) {
            const int red = rgb[3 * i], green = rgb[3 * i + 1], blue = rgb[3 * i + 2];
            ck_assert_msg(abs(red - green) <= 1 && abs(red - blue) <= 1, "%u: %d %d %d", pixels[3 * i], red, green,
                          blue);
            clamped += red == 255;
        }
        for (size_t i = 1; i < PIXELS; i += 2) /* colours that are there in another order */
            turned += rgb[3 * i] > rgb[3 * i + 1] && pixels[3 * i] < pixels[3 * i + 1];
        /* a grey of the middle keeps its contrast: only brightness changes it */
        const double middle = (double)(change.colours[0][0] + change.colours[0][1] + change.colours[0][2]) * 127.5 +
                              (double)change.colours[0][3];
        const double brightness = middle / 127.5 / 65536.0;
        ck_assert_msg(brightness > 0.499 && brightness < 1.501, "brightness %g", brightness);
        darkest = fmin(darkest, brightness);
        lightest = fmax(lightest, brightness);
    }
    ck_assert(clamped > 0 && turned > 0 && darkest < 0.6 && lightest > 1.4);
}
END_TEST

/* Of the seed and the place alone; and what is drawn of one kind is not what another draws. */
START_TEST(draws_are_of_seed_and_place) {
    const struct augmentation both = {0.5, 2.0, 0.5, false};
    int others = 0;
    for (uint64_t place = 0; place < 50; ++place) {
        const struct change one = augment_draw(&both, 7, place, &picture, 16, 16);
        const struct change again = augment_draw(&both, 7, place, &picture, 16, 16);
        const struct change size = augment_draw(&sizes, 7, place, &picture, 16, 16);
        const struct change tint = augment_draw(&tints, 7, place, &picture, 16, 16);
        const struct change seed = augment_draw(&both, 8, place, &picture, 16, 16);
        ck_assert(one.height == again.height && one.width == again.width && one.placement.top == again.placement.top &&
                  one.placement.left == again.placement.left && one.placement.flipped == again.placement.flipped);
        ck_assert_mem_eq(one.colours, again.colours, sizeof one.colours);
        ck_assert(one.height == size.height && one.width == size.width && !size.coloured);
        ck_assert_mem_eq(one.colours, tint.colours, sizeof one.colours);
        others += one.height != seed.height;
    }
    ck_assert_int_gt(others, 40);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------- wrong labels */

/* As many as are asked for, each class in equal parts; what is ignored stays, and the name alone decides. */
START_TEST(labels_are_wrong_as_often_as_asked) {
    enum { CLASSES = 5, COUNT = 100000 };
    static uint8_t right[COUNT], wrong[COUNT], again[COUNT];
    static const double asked[] = {0.0, 0.1, 1.0};
    for (size_t i = 0; i < COUNT; ++i)
        right[i] = i % 7 == 0 ? IGNORE : (uint8_t)(i % CLASSES);
    for (size_t k = 0; k < sizeof asked / sizeof *asked; ++k) {
        size_t valid = 0, changed = 0, to[CLASSES] = {0};
        memcpy(wrong, right, COUNT);
        memcpy(again, right, COUNT);
        wrong_labels("a.png", asked[k], CLASSES, wrong, COUNT);
        wrong_labels("a.png", asked[k], CLASSES, again, COUNT);
        ck_assert_mem_eq(wrong, again, COUNT);
        for (size_t i = 0; i < COUNT; ++i) {
            ck_assert(right[i] == IGNORE ? wrong[i] == IGNORE : wrong[i] < CLASSES);
            valid += right[i] != IGNORE;
            changed += right[i] != wrong[i];
            to[wrong[i] % CLASSES] += right[i] != wrong[i];
        }
        ck_assert_double_eq_tol((double)changed / (double)valid, asked[k], 0.005);
        for (size_t c = 0; c < CLASSES; ++c)
            ck_assert_double_eq_tol((double)to[c] / (double)valid, asked[k] / CLASSES, 0.005);
        memcpy(again, right, COUNT);
        wrong_labels("b.png", asked[k], CLASSES, again, COUNT);
        ck_assert((memcmp(wrong, again, COUNT) == 0) == (asked[k] == 0.0));
    }
    memset(right, 0, COUNT);
    wrong_labels("a.png", 1.0, 1, right, COUNT); /* there is no other class */
    for (size_t i = 0; i < COUNT; ++i)
        ck_assert_uint_eq(right[i], 0);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- held out */

enum { MOST = 400 };
static char names[MOST][64];
static struct sample samples[MOST];

static struct dataset dataset_of(enum layout layout, size_t count) {
    for (size_t i = 0; i < count; ++i)
        samples[i] = (struct sample){names[i], names[i]};
    return (struct dataset){.train = {samples, count}, .layout = layout};
}

static bool holds(const struct split *split, const char *name) {
    for (size_t i = 0; i < split->count; ++i)
        if (strcmp(split->samples[i].image, name) == 0)
            return true;
    return false;
}

/* Every image is in one part, or left out. */
static void assert_divided(const struct dataset *dataset, const struct holdout *holdout) {
    size_t left_out = 0;
    for (size_t i = 0; i < dataset->train.count; ++i) {
        const bool train = holds(&holdout->parts.train, samples[i].image),
                   val = holds(&holdout->parts.val, samples[i].image);
        ck_assert(!train || !val);
        left_out += !train && !val;
    }
    ck_assert_uint_eq(left_out, holdout->left_out);
    ck_assert_uint_eq(holdout->parts.train.count + holdout->parts.val.count + left_out, dataset->train.count);
    ck_assert(holdout->parts.train.count > 0 && holdout->parts.val.count > 0);
}

static size_t name_frames(size_t first, size_t count, const char *format) {
    for (size_t i = 0; i < count; ++i)
        snprintf(names[first + i], sizeof names[0], format, (unsigned)(30 * i + 90));
    return first + count;
}

/* CamVid's own three: whichever share is asked for, none is on both sides, and the nearest one is taken. */
START_TEST(sequences_stay_whole) {
    static const struct {
        double fraction;
        size_t held;
    } cases[] = {{0.01, 62}, {0.15, 62}, {0.25, 101}, {0.44, 163}, {0.52, 204}, {0.72, 266}, {0.99, 305}};
    size_t count = name_frames(0, 62, "train/0001TP_%06u.png");
    count = name_frames(count, 101, "train/0006R0_f%05u.png");
    count = name_frames(count, 204, "train/0016E5_%05u.png");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const struct dataset dataset = dataset_of(LAYOUT_CAMVID, count);
        struct holdout holdout, turned;
        ck_assert(holdout_make(&dataset, cases[i].fraction, &holdout, &failure));
        assert_divided(&dataset, &holdout);
        ck_assert_uint_eq(holdout.parts.val.count, cases[i].held);
        ck_assert(holdout.sequences == 3 && holdout.left_out == 0 && holdout.hash != 0);
        for (size_t j = 1; j < count; ++j)
            if (strncmp(names[j], names[j - 1], 12) == 0)
                ck_assert(holds(&holdout.parts.val, names[j]) == holds(&holdout.parts.val, names[j - 1]));
        for (size_t j = 0; j < count; ++j) /* files may be listed in any order */
            samples[j] = (struct sample){names[count - 1 - j], names[count - 1 - j]};
        ck_assert(holdout_make(&dataset, cases[i].fraction, &turned, &failure));
        for (size_t j = 0; j < holdout.parts.val.count; ++j)
            ck_assert(holds(&turned.parts.val, holdout.parts.val.samples[j].image));
        ck_assert_uint_eq(turned.parts.val.count, holdout.parts.val.count);
        holdout_free(&holdout);
        holdout_free(&turned);
    }
}
END_TEST

START_TEST(cities_stay_whole_and_photographs_stand_alone) {
    static const char *const cities[] = {"ulm", "bonn", "jena", "bremen"};
    struct holdout holdout, other;
    for (size_t i = 0; i < 80; ++i)
        snprintf(names[i], sizeof names[0], "leftImg8bit/train/%s/%s_%06u_000019_leftImg8bit.png", cities[i / 20],
                 cities[i / 20], (unsigned)i);
    struct dataset dataset = dataset_of(LAYOUT_CITYSCAPES, 80);
    ck_assert(holdout_make(&dataset, 0.5, &holdout, &failure));
    assert_divided(&dataset, &holdout);
    ck_assert(holdout.parts.val.count == 40 && holdout.sequences == 4 && holdout.held_out == 2);
    for (size_t i = 1; i < 80; ++i)
        ck_assert(i % 20 == 0 || holds(&holdout.parts.val, names[i]) == holds(&holdout.parts.val, names[i - 1]));
    holdout_free(&holdout);

    for (size_t i = 0; i < 200; ++i)
        snprintf(names[i], sizeof names[0], "JPEGImages/%u_%06u.jpg", 2007 + (unsigned)i / 100, (unsigned)i);
    dataset = dataset_of(LAYOUT_VOC, 200);
    ck_assert(holdout_make(&dataset, 0.2, &holdout, &failure) && holdout_make(&dataset, 0.21, &other, &failure));
    assert_divided(&dataset, &holdout);
    ck_assert_uint_eq(holdout.parts.val.count, 40);
    ck_assert_uint_eq(other.parts.val.count, 42);
    ck_assert_uint_ne(holdout.hash, other.hash);
    size_t early = 0; /* of both years, not the first ones of the list */
    for (size_t i = 0; i < 100; ++i)
        early += holds(&holdout.parts.val, names[i]);
    ck_assert_msg(early > 8 && early < 32, "%zu", early);
    holdout_free(&holdout);
    holdout_free(&other);
}
END_TEST

/* Frames in the order of their numbers, with and without zeros in front. */
START_TEST(one_sequence_is_cut_with_a_border) {
    struct holdout holdout;
    char words[256];
    for (unsigned i = 0; i < 100; ++i)
        snprintf(names[(i * 37) % 100], sizeof names[0], i % 3 == 0 ? "train/take_%05u.png" : "train/take_%u.png", i);
    const struct dataset dataset = dataset_of(LAYOUT_CAMVID, 100);
    ck_assert(holdout_make(&dataset, 0.2, &holdout, &failure));
    assert_divided(&dataset, &holdout);
    ck_assert(holdout.parts.val.count == 20 && holdout.left_out == 5 && holdout.sequences == 1);
    for (size_t i = 0; i < 100; ++i) {
        const unsigned long number = strtoul(names[i] + strlen("train/take_"), NULL, 10);
        ck_assert(holds(&holdout.parts.val, names[i]) == (number >= 80));
        ck_assert(holds(&holdout.parts.train, names[i]) == (number < 75));
    }
    holdout_words(&holdout, words, sizeof words);
    ck_assert_str_eq(words, "20 of 100 training images, the end of their one sequence; 5 before them are left out");
    holdout_free(&holdout);
    ck_assert(!holdout_make(&dataset, 0.96, &holdout, &failure));
    ck_assert_msg(strstr(failure.line, "of which 96 would be held out and 5 left out") != NULL, "%s", failure.line);
    failure_clear(&failure);
    holdout_free(&holdout);
    const struct dataset two = dataset_of(LAYOUT_CAMVID, 2);
    ck_assert(!holdout_make(&two, 0.1, &holdout, &failure));
    failure_clear(&failure);
    holdout_free(&holdout);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- intervals */

/* W. Gosset's table, as printed everywhere. */
START_TEST(intervals_are_students) {
    static const struct {
        size_t freedom;
        double quantile;
    } table[] = {{1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},   {5, 2.571},  {6, 2.447},
                 {9, 2.262},  {10, 2.228}, {30, 2.042}, {100, 1.984}, {999, 1.962}};
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
        ck_assert_double_eq_tol(comparison_quantile(table[i].freedom), table[i].quantile, 5e-4);
}
END_TEST

/* Two seeds of one weighting, 4 classes of which two are labelled; one pixel is predicted as a third, in one seed. */
START_TEST(settings_are_compared_by_the_classes_that_are_labelled) {
    enum { CLASSES = 4 };
    uint64_t one[CLMP_CONFUSION(CLASSES)] = {0}, two[CLMP_CONFUSION(CLASSES)] = {0};
    one[0 * CLASSES + 0] = two[0 * CLASSES + 0] = 6;
    one[1 * CLASSES + 1] = two[1 * CLASSES + 1] = 2;
    one[1 * CLASSES + 0] = 2;
    one[0 * CLASSES + 3] = 1;
    struct classes four = {.count = CLASSES};
    struct trainer trainer = {.classes = &four};
    struct run_result results[] = {{.confusion = one}, {.confusion = two}};
    const struct comparison comparison = {.trainer = &trainer, .count = 1, .seeds = 2, .results = results};
    const double first = (6.0 / 9.0 + 2.0 / 4.0) / 2.0; /* a mean with class 3 would be of three */
    ck_assert_double_eq_tol(comparison_labelled_iou(&comparison, 0), (first + 1.0) / 2.0, 1e-12);
    ck_assert_double_eq_tol(comparison_number(&comparison, 0, 0, CLASSES + FIGURE_MEAN_IOU), first * 2.0 / 3.0, 1e-12);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("train parts");
    TCase *quick = add_case(suite, "parts", "quick full");
    tcase_add_test(quick, schedules_are_as_defined);
    tcase_add_test(quick, what_is_not_changed_stays);
    tcase_add_test(quick, sizes_change_as_defined);
    tcase_add_test(quick, colours_change_within_bounds);
    tcase_add_test(quick, draws_are_of_seed_and_place);
    tcase_add_test(quick, labels_are_wrong_as_often_as_asked);
    tcase_add_test(quick, sequences_stay_whole);
    tcase_add_test(quick, cities_stay_whole_and_photographs_stand_alone);
    tcase_add_test(quick, one_sequence_is_cut_with_a_border);
    tcase_add_test(quick, intervals_are_students);
    tcase_add_test(quick, settings_are_compared_by_the_classes_that_are_labelled);
    return host_test_main(suite);
}
