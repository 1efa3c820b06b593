/*
 * What the command computes, prints and writes; what it refuses is in check_cli_errors.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { IMAGES = 2, CLASSES = 5, HEIGHT = 8, WIDTH = 9, PLANE = HEIGHT * WIDTH, PIXELS = IMAGES * PLANE };

/* Two images; image one alone has the same values without the N. */
static float logits[IMAGES * CLASSES * PLANE];
static uint8_t labels[PIXELS];
enum { IGNORED = 255, INVALID = 77 };

static void write_inputs(void) {
    struct rng rng = rng_for("cli", 0);
    for (size_t i = 0; i < sizeof logits / sizeof *logits; ++i)
        logits[i] = (float)(int)(rng_normal(&rng) * 512.0) / 256.0f; /* float16 has these, too */
    for (size_t i = 0; i < PIXELS; ++i)
        labels[i] = (uint8_t)(i % 11 == 3 ? IGNORED : i % 23 == 5 ? INVALID : rng_below(&rng, CLASSES));
    write_npy("logits.npy", "<f4", "(2, 5, 8, 9)", logits, sizeof logits);
    write_npy("labels.npy", "|u1", "(2, 8, 9)", labels, sizeof labels);
    write_npy("one.npy", "<f4", "(5, 8, 9)", logits, sizeof logits / 2);
    write_npy("two.npy", "<f4", "(1, 5, 8, 9)", logits + CLASSES * PLANE, sizeof logits / 2);
    write_npy("one-labels.npy", "|u1", "(8, 9)", labels, PLANE);
    write_npy("two-labels.npy", "|u1", "(8, 9)", labels + PLANE, PLANE);
}

#define assert_near(a, b, tolerance)                                                                                   \
    ck_assert_msg(fabs((a) - (b)) <= (tolerance), "%s is %.9g, not %.9g", #a, (double)(a), (double)(b))

/* ------------------------------------------------------------------------------------------------ help, version */

START_TEST(help_teaches_and_version_is_the_librarys) {
    static const char *const commands[] = {"devices", "weights", "loss", "class-weights", "eval"};
    struct outcome outcome = clmp("--help", NULL);
    ck_assert(strstr(outcome.out, "devices") != NULL && strstr(outcome.out, "weights") != NULL);
    assert_done(outcome);
    for (int i = 0; i < 5; ++i) {
        outcome = clmp(commands[i], "--help", NULL);
        ck_assert(strncmp(outcome.out, "usage: clmp ", 12) == 0 && strstr(outcome.out, "example") != NULL);
        assert_done(outcome);
    }
    outcome = clmp("--version", NULL);
    ck_assert_str_eq(outcome.out, "clmp 0.1.0\n");
    assert_done(outcome);
}
END_TEST

START_TEST(devices_are_listed_with_their_facts) {
    json_t *object = json_of(clmp("devices", "--json", NULL));
    json_t *list = json_object_get(object, "devices");
    ck_assert(json_object_size(object) == 1 && json_array_size(list) >= 1);
    const json_t *first = json_array_get(list, 0);
    const char *name = json_string_value(json_object_get(first, "name"));
    ck_assert(name != NULL && json_is_string(json_object_get(first, "platform")));
    ck_assert(json_is_boolean(json_object_get(first, "supported")) && count_of(first, "compute_units") > 0);
    struct outcome outcome = clmp("devices", "--device", name, NULL);
    ck_assert(strstr(outcome.out, name) != NULL && strstr(outcome.out, "\x1b") == NULL);
    assert_done(outcome);
    json_decref(object);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ weights */

enum { LOSSES = 12 };
static const float twelve[LOSSES] = {0.5f, 0.25f, 4.0f, -0.0f, 1.0f, 2.0f, 3.0f, 0.125f, NAN, INFINITY, 8.0f, 0.75f};
enum { FINITE = 10 };

/* Every key is there, and no other; of files of logits the shapes, too, and of a gradient what float16 has no room for.
 */
static void check_keys(const json_t *object, bool files, bool images, bool gradient) {
    static const char *const keys[] = {"loss",           "alpha",     "tau",    "support", "valid",     "ignored",
                                       "invalid_labels", "nonfinite", "device", "solver",  "weighting", "criterion"};
    for (int i = 0; i < 12; ++i)
        ck_assert_msg(json_object_get(object, keys[i]) != NULL, "no key '%s'", keys[i]);
    ck_assert_uint_eq(json_object_size(object), 12u + (files ? 2u : 0u) + (images ? 1u : 0u) + (gradient ? 2u : 0u));
    ck_assert(!gradient ||
              (count_of(object, "gradient_overflowed") == 0 && count_of(object, "gradient_underflowed") == 0));
    ck_assert(!files || json_array_size(json_object_get(object, "logits_shape")) == 4);
    ck_assert(!files || json_array_size(json_object_get(object, "labels_shape")) == 2);
    ck_assert(json_is_string(json_object_get(object, "device")));
}

START_TEST(weights_of_losses_are_the_plain_mean_for_infinite_p) {
    static const char *const infinite[] = {"inf", "Inf", "infinity"};
    write_npy("losses.npy", "<f4", "(3, 2, 2)", twelve, sizeof twelve);
    json_t *object = json_of(clmp("weights", "losses.npy", "--p", infinite[_i], "-o", "weights.npy", "--json", NULL));
    check_keys(object, false, false, false);
    ck_assert_str_eq(json_string_value(json_object_get(object, "solver")), "search");
    ck_assert(count_of(object, "valid") == FINITE && count_of(object, "nonfinite") == 2);
    ck_assert(count_of(object, "ignored") == 0 && count_of(object, "invalid_labels") == 0);
    assert_near(number(object, "loss"), 19.625 / FINITE, 1e-6);
    ck_assert(number(object, "tau") == (double)(float)number(object, "tau")); /* the float's own value */
    float *weights = read_npy("weights.npy", "(3, 2, 2)", LOSSES);
    for (int i = 0; i < LOSSES; ++i)
        assert_near((double)weights[i], isfinite(twelve[i]) ? 1.0 / FINITE : 0.0, 1e-8);
    free(weights);
    json_decref(object);
}
END_TEST

START_TEST(weights_of_losses_are_the_hardest_for_p_one) {
    write_npy("losses.npy", "<f4", "(12,)", twelve, sizeof twelve);
    json_t *object = json_of(clmp("weights", "losses.npy", "--p=1", "--support", "0.3", "--solver",
                                  _i ? "sort" : "search", "-o", "weights.npy", "--json", NULL));
    ck_assert_str_eq(json_string_value(json_object_get(object, "solver")), _i ? "sort" : "search");
    assert_near(number(object, "loss"), (8.0 + 4.0 + 3.0) / 3.0, 1e-5);
    float *weights = read_npy("weights.npy", "(12,)", LOSSES);
    for (int i = 0; i < LOSSES; ++i)
        assert_near((double)weights[i], isfinite(twelve[i]) && twelve[i] >= 3.0f ? 1.0 / 3.0 : 0.0, 1e-6);
    free(weights);
    json_decref(object);
}
END_TEST

START_TEST(losses_come_through_a_pipe_in_any_shape) {
    static const char script[] = "cat losses.npy | \"$CLMP_CLI\" weights /dev/stdin --json";
    static const char *const argv[] = {"sh", "-c", script, NULL};
    write_npy("losses.npy", "<f4", "(3, 2, 2)", twelve, sizeof twelve);
    json_t *piped = json_of(run_program(argv)), *read = json_of(clmp("weights", "losses.npy", "--json", NULL));
    ck_assert(json_equal(piped, read));
    const float one = 2.0f;
    write_npy("losses.npy", "<f4", "()", &one, sizeof one);
    json_t *single = json_of(clmp("weights", "losses.npy", "--json", "-o", "weights.npy", NULL));
    assert_near(number(single, "loss"), 2.0, 1e-6);
    free(read_npy("weights.npy", "()", 1));
    json_decref(piped);
    json_decref(read);
    json_decref(single);
}
END_TEST

START_TEST(no_valid_pixel_is_a_loss_of_zero) {
    const float none[] = {NAN, INFINITY};
    write_npy("losses.npy", "<f4", "(2,)", none, sizeof none);
    json_t *object = json_of(clmp("weights", "losses.npy", "--json", NULL));
    ck_assert(number(object, "loss") == 0.0 && number(object, "alpha") == 0.0);
    ck_assert(count_of(object, "valid") == 0 && count_of(object, "nonfinite") == 2);
    json_decref(object);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- loss */

START_TEST(loss_weights_and_gradient_fit_together) {
    write_inputs();
    json_t *object = json_of(clmp("loss", "logits.npy", "labels.npy", "--losses", "losses.npy", "--weights",
                                  "weights.npy", "--gradient", "gradient.npy", "--json", NULL));
    check_keys(object, true, false, true);
    float *losses = read_npy("losses.npy", "(2, 8, 9)", PIXELS),
          *weights = read_npy("weights.npy", "(2, 8, 9)", PIXELS),
          *gradient = read_npy("gradient.npy", "(2, 5, 8, 9)", PIXELS * CLASSES);
    const double tau = number(object, "tau");
    double pooled = 0.0;
    long valid = 0, ignored = 0, invalid = 0;
    for (size_t i = 0; i < PIXELS; ++i) {
        const size_t first = i / PLANE * CLASSES * PLANE + i % PLANE;
        double sum = 0.0;
        for (size_t c = 0; c < CLASSES; ++c)
            sum += exp((double)logits[first + c * PLANE]);
        const bool is_valid = labels[i] < CLASSES;
        const double own = is_valid ? (double)logits[first + labels[i] * (size_t)PLANE] : 0.0;
        assert_near((double)losses[i], is_valid ? log(sum) - own : 0.0, 1e-5);
        for (size_t c = 0; c < CLASSES; ++c) {
            const double expected =
                (double)weights[i] * (exp((double)logits[first + c * PLANE]) / sum - (c == labels[i] ? 1.0 : 0.0));
            assert_near((double)gradient[first + c * PLANE], expected, 4e-6 * tau);
        }
        ck_assert(is_valid ? weights[i] > 0.0f && (double)weights[i] <= tau : weights[i] == 0.0f);
        pooled += (double)losses[i] * (double)weights[i];
        valid += is_valid;
        ignored += labels[i] == IGNORED;
        invalid += labels[i] == INVALID;
    }
    assert_near(pooled, number(object, "loss"), 1e-5 * pooled);
    ck_assert(count_of(object, "valid") == valid && count_of(object, "ignored") == ignored);
    ck_assert(count_of(object, "invalid_labels") == invalid && count_of(object, "nonfinite") == 0);
    free(losses);
    free(weights);
    free(gradient);
    json_decref(object);
}
END_TEST

/* Runs one image with these files, and keeps all that comes out. */
struct everything {
    char *parts[4]; /* JSON, losses, weights, gradient */
    size_t sizes[4];
};

static struct everything everything_of(const char *logits_file, const char *labels_file) {
    static const char *const names[4] = {"stdout.txt", "losses.npy", "weights.npy", "gradient.npy"};
    struct everything all;
    assert_done(clmp("loss", logits_file, labels_file, "--losses", names[1], "--weights", names[2], "--gradient",
                     names[3], "--json", NULL));
    for (int i = 0; i < 4; ++i)
        all.parts[i] = read_file(names[i], &all.sizes[i]);
    return all;
}

static void assert_same(const struct everything *a, struct everything b, const char *what) {
    for (int i = 0; i < 4; ++i) {
        ck_assert_msg(a->sizes[i] == b.sizes[i] && memcmp(a->parts[i], b.parts[i], a->sizes[i]) == 0,
                      "%s: part %d differs", what, i);
        free(b.parts[i]);
    }
}

START_TEST(labels_of_every_kind_agree) {
    write_inputs();
    struct everything expected = everything_of("one.npy", "one-labels.npy");
    int32_t wide[PLANE];
    int64_t wider[PLANE];
    for (size_t i = 0; i < PLANE; ++i)
        wider[i] = wide[i] = labels[i];
    write_npy("int32.npy", "<i4", "(8, 9)", wide, sizeof wide);
    uint16_t middle[PLANE];
    for (size_t i = 0; i < PLANE; ++i)
        middle[i] = (uint16_t)wider[i];
    write_npy("uint16.npy", "<u2", "(1, 8, 9)", middle, sizeof middle);
    write_npy("int64.npy", "<i8", "(1, 8, 9)", wider, sizeof wider);
    write_png("grey.png", WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    write_png("palette.npy", WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_PALETTE, true, labels); /* told by what it holds */
    assert_same(&expected, everything_of("one.npy", "int32.npy"), "int32");
    assert_same(&expected, everything_of("one.npy", "int64.npy"), "int64");
    assert_same(&expected, everything_of("one.npy", "uint16.npy"), "uint16");
    assert_same(&expected, everything_of("one.npy", "grey.png"), "grey PNG");
    assert_same(&expected, everything_of("one.npy", "palette.npy"), "palette PNG");
    for (int i = 0; i < 4; ++i)
        free(expected.parts[i]);
}
END_TEST

/* binary32 to binary16 where binary16 has the value: multiples of 2^-8 below 8 */
static uint16_t half_of(float value) {
    int exponent;
    const float mantissa = frexpf(fabsf(value), &exponent);
    const unsigned sign = signbit(value) ? 0x8000u : 0u;
    if (mantissa == 0.0f)
        return (uint16_t)sign;
    return (uint16_t)(sign | (unsigned)(exponent + 14) << 10 | ((unsigned)(mantissa * 2048.0f) & 0x3ffu));
}

/* Equal but for the rounding of the gradient, which is stored as the logits are. */
START_TEST(float16_logits_equal_float32_ones) {
    write_inputs();
    uint16_t halves[CLASSES * PLANE];
    for (size_t i = 0; i < CLASSES * PLANE; ++i)
        halves[i] = half_of(logits[i]);
    write_npy("half.npy", "<f2", "(5, 8, 9)", halves, sizeof halves);
    struct everything expected = everything_of("one.npy", "one-labels.npy");
    float *gradient = read_npy("gradient.npy", "(5, 8, 9)", CLASSES * PLANE); /* the shape of the logits */
    free(read_npy("losses.npy", "(1, 8, 9)", PLANE));
    struct everything all = everything_of("half.npy", "one-labels.npy");
    ck_assert(strstr(all.parts[3] + 10, "'<f2'") != NULL && strstr(all.parts[3] + 10, "(5, 8, 9)") != NULL);
    memcpy(halves, all.parts[3] + all.sizes[3] - sizeof halves, sizeof halves);
    for (size_t i = 0; i < CLASSES * PLANE; ++i) {
        const int exponent = halves[i] >> 10 & 0x1f, mantissa = halves[i] & 0x3ff;
        const double value = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
        assert_near(halves[i] & 0x8000 ? -value : value, (double)gradient[i],
                    ldexp(1.0, -25) + value * ldexp(1.0, -11));
    }
    free(gradient);
    json_t *wide = json_loadb(expected.parts[0], expected.sizes[0], 0, NULL), *narrow;
    narrow = json_loadb(all.parts[0], all.sizes[0], 0, NULL);
    ck_assert(json_object_del(wide, "gradient_underflowed") == 0 &&
              json_object_del(narrow, "gradient_underflowed") == 0);
    ck_assert(json_equal(wide, narrow));
    json_decref(wide);
    json_decref(narrow);
    for (int i = 0; i < 4; ++i) {
        ck_assert_msg(i == 0 || i == 3 || memcmp(expected.parts[i], all.parts[i], expected.sizes[i]) == 0,
                      "part %d differs", i);
        free(expected.parts[i]);
        free(all.parts[i]);
    }
}
END_TEST

START_TEST(scope_image_is_the_mean_of_the_images) {
    write_inputs();
    json_t *both = json_of(clmp("loss", "logits.npy", "labels.npy", "--scope", "image", "--json", NULL));
    json_t *one = json_of(clmp("loss", "one.npy", "one-labels.npy", "--json", NULL));
    json_t *two = json_of(clmp("loss", "two.npy", "two-labels.npy", "--scope", "batch", "--json", NULL));
    check_keys(both, true, true, false);
    json_t *list = json_object_get(both, "images"), *alone[] = {one, two};
    ck_assert(json_array_size(list) == IMAGES);
    for (size_t i = 0; i < IMAGES; ++i)
        ck_assert_msg(json_equal(json_array_get(list, i), alone[i]), "image %zu", i);
    assert_near(number(both, "loss"), (number(one, "loss") + number(two, "loss")) / 2.0, 1e-6 * number(both, "loss"));
    ck_assert(count_of(both, "valid") == count_of(one, "valid") + count_of(two, "valid"));
    struct outcome outcome = clmp("loss", "logits.npy", "labels.npy", "--scope", "image", NULL);
    ck_assert(strstr(outcome.out, "image") != NULL && strstr(outcome.out, "\x1b") == NULL);
    assert_done(outcome);
    json_decref(both);
    json_decref(one);
    json_decref(two);
}
END_TEST

START_TEST(solvers_give_the_same_bits) {
    write_inputs();
    assert_done(clmp("loss", "logits.npy", "labels.npy", "--weights", "search.npy", "--solver", "search", NULL));
    assert_done(clmp("loss", "logits.npy", "labels.npy", "--weights", "sort.npy", "--solver", "sort", NULL));
    size_t size, other_size;
    char *search = read_file("search.npy", &size), *sort = read_file("sort.npy", &other_size);
    ck_assert(size == other_size && memcmp(search, sort, size) == 0);
    free(search);
    free(sort);
}
END_TEST

START_TEST(ignore_index_is_any_whole_number) {
    int32_t with_minus_one[PLANE];
    write_inputs();
    for (size_t i = 0; i < PLANE; ++i)
        with_minus_one[i] = labels[i] == IGNORED ? -1 : labels[i];
    write_npy("minus.npy", "<i4", "(8, 9)", with_minus_one, sizeof with_minus_one);
    json_t *expected = json_of(clmp("loss", "one.npy", "one-labels.npy", "--json", NULL));
    json_t *object = json_of(clmp("loss", "one.npy", "minus.npy", "--ignore-index", "-1", "--json", NULL));
    ck_assert(json_equal(object, expected));
    json_t *not_ignored = json_of(clmp("loss", "one.npy", "minus.npy", "--json", NULL));
    ck_assert(count_of(not_ignored, "ignored") == 0);
    ck_assert(count_of(not_ignored, "invalid_labels") ==
              count_of(expected, "ignored") + count_of(expected, "invalid_labels"));
    json_decref(expected);
    json_decref(object);
    json_decref(not_ignored);
}
END_TEST

START_TEST(class_weights_multiply_losses) {
    const float floats[CLASSES] = {1.0f, 2.0f, 0.0f, 0.5f, 4.0f};
    const double doubles[CLASSES] = {1.0, 2.0, 0.0, 0.5, 4.0};
    write_inputs();
    write_npy("class.npy", "<f4", "(5,)", floats, sizeof floats);
    write_npy("class8.npy", "<f8", "(5,)", doubles, sizeof doubles);
    assert_done(clmp("loss", "one.npy", "one-labels.npy", "--losses", "plain.npy", NULL));
    assert_done(clmp("loss", "one.npy", "one-labels.npy", "--losses", "w4.npy", "--class-weights", "class.npy", NULL));
    assert_done(clmp("loss", "one.npy", "one-labels.npy", "--losses", "w8.npy", "--class-weights", "class8.npy", NULL));
    float *plain = read_npy("plain.npy", "(1, 8, 9)", PLANE), *w4 = read_npy("w4.npy", "(1, 8, 9)", PLANE),
          *w8 = read_npy("w8.npy", "(1, 8, 9)", PLANE);
    ck_assert(memcmp(w4, w8, PLANE * sizeof *w4) == 0);
    for (size_t i = 0; i < PLANE; ++i)
        ck_assert(w4[i] == (labels[i] < CLASSES ? floats[labels[i]] : 0.0f) * plain[i]);
    free(plain);
    free(w4);
    free(w8);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ heatmap */

START_TEST(heatmap_shows_weights_and_greys_what_is_not_valid) {
    write_inputs();
    const size_t spoilt = PLANE + 1, certain = PLANE + 2; /* of image two */
    logits[CLASSES * PLANE + 1] = NAN;
    labels[spoilt] = labels[certain] = 0;
    logits[CLASSES * PLANE + 2] = 1000.0f; /* valid, and its loss is 0 */
    write_npy("logits.npy", "<f4", "(2, 5, 8, 9)", logits, sizeof logits);
    write_npy("labels.npy", "|u1", "(2, 8, 9)", labels, sizeof labels);
    json_t *object = json_of(clmp("loss", "logits.npy", "labels.npy", "--scope", "image", "--heatmap", "heat.png",
                                  "--weights", "weights.npy", "--json", NULL));
    ck_assert(count_of(object, "nonfinite") == 1);
    float *weights = read_npy("weights.npy", "(2, 8, 9)", PIXELS);
    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert(png_image_begin_read_from_file(&image, "heat.png"));
    ck_assert(image.width == WIDTH && image.height == IMAGES * HEIGHT);
    image.format = PNG_FORMAT_RGB;
    unsigned char rgb[PIXELS][3];
    ck_assert(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    for (size_t i = 0; i < PIXELS; ++i) {
        const double tau = number(json_array_get(json_object_get(object, "images"), i / PLANE), "tau");
        const int sum = rgb[i][0] + rgb[i][1] + rgb[i][2];
        const bool grey = rgb[i][0] == 128 && rgb[i][1] == 128 && rgb[i][2] == 128;
        ck_assert_msg(grey == (labels[i] >= CLASSES || i == spoilt), "pixel %zu", i);
        if ((double)weights[i] == tau)
            ck_assert_msg(rgb[i][0] == 252 && rgb[i][1] == 255, "pixel %zu", i);
        if (weights[i] == 0.0f && !grey)
            ck_assert_msg(sum == 4 && i == certain, "pixel %zu", i);
    }
    free(weights);
    json_decref(object);
}
END_TEST

/* ------------------------------------------------------------------------------------------------ interpolation */

enum { TALL = 2 * HEIGHT, BROAD = 3 * WIDTH - 1, LARGE = TALL * BROAD };

static double position(int pixel, int pixels, int size, bool align_corners) {
    const double at = align_corners ? (double)pixel * (size - 1) / (pixels - 1) : (pixel + 0.5) * size / pixels - 0.5;
    return fmin(fmax(at, 0.0), size - 1.0);
}

/* The bilinear mean of a plane of logits at a pixel of the large labels. */
static double mixed(const float *plane, int y, int x, bool align_corners) {
    const double row = position(y, TALL, HEIGHT, align_corners), column = position(x, BROAD, WIDTH, align_corners);
    const int i = (int)fmin(row, HEIGHT - 2), j = (int)fmin(column, WIDTH - 2);
    const double below = row - i, after = column - j;
    const float *at = plane + i * WIDTH + j;
    return (1 - below) * ((1 - after) * (double)at[0] + after * (double)at[1]) +
           below * ((1 - after) * (double)at[WIDTH] + after * (double)at[WIDTH + 1]);
}

START_TEST(smaller_logits_are_interpolated) {
    write_inputs();
    uint8_t large[LARGE];
    for (int i = 0; i < LARGE; ++i)
        large[i] = (uint8_t)(i % 13 == 4 ? IGNORED : (i / 7 + i / BROAD) % CLASSES);
    write_npy("large.npy", "|u1", "(16, 26)", large, sizeof large);
    json_t *object = json_of(clmp("loss", "one.npy", "large.npy", "--losses", "losses.npy", "--gradient",
                                  "gradient.npy", "--json", _i ? "--align-corners" : NULL, NULL));
    check_keys(object, true, false, true);
    float *losses = read_npy("losses.npy", "(1, 16, 26)", LARGE);
    for (int i = 0; i < LARGE; ++i) {
        double sum = 0.0, own = 0.0;
        for (int c = 0; c < CLASSES; ++c) {
            const double x = mixed(logits + c * PLANE, i / BROAD, i % BROAD, _i != 0);
            sum += exp(x);
            own = c == large[i] ? x : own;
        }
        assert_near((double)losses[i], large[i] == IGNORED ? 0.0 : log(sum) - own, 1e-5);
    }
    free(losses);
    free(read_npy("gradient.npy", "(5, 8, 9)", CLASSES * PLANE));
    json_decref(object);
    struct outcome outcome = clmp("loss", "one.npy", "large.npy", NULL);
    ck_assert(strstr(outcome.out, "interpolated from 8 x 9 to 16 x 26") != NULL);
    assert_done(outcome);
}
END_TEST

START_TEST(heatmap_of_interpolated_logits_greys_what_is_not_valid) {
    write_inputs();
    uint8_t large[LARGE] = {0};
    logits[4 * WIDTH + 4] = NAN;
    write_npy("one.npy", "<f4", "(5, 8, 9)", logits, sizeof logits / 2);
    write_npy("large.npy", "|u1", "(16, 26)", large, sizeof large);
    json_t *object = json_of(clmp("loss", "one.npy", "large.npy", "--heatmap", "heat.png", "--json", NULL));
    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert(png_image_begin_read_from_file(&image, "heat.png") && image.width == BROAD && image.height == TALL);
    image.format = PNG_FORMAT_RGB;
    unsigned char rgb[LARGE][3];
    ck_assert(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    long grey = 0;
    for (int i = 0; i < LARGE; ++i)
        grey += rgb[i][0] == 128 && rgb[i][1] == 128 && rgb[i][2] == 128;
    ck_assert_msg(grey > 0 && grey == count_of(object, "nonfinite"), "%ld grey pixels", grey);
    json_decref(object);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ outputs */

START_TEST(output_is_new_with_the_rights_of_the_umask) {
    struct stat status;
    write_npy("losses.npy", "<f4", "(12,)", twelve, sizeof twelve);
    write_file("weights.npy", "old", 3);
    unlink("link.npy");
    ck_assert(symlink("weights.npy", "link.npy") == 0);
    const mode_t old = umask(0027);
    assert_done(clmp("weights", "losses.npy", "-o", "link.npy", NULL));
    umask(old);
    ck_assert(lstat("link.npy", &status) == 0 && S_ISLNK(status.st_mode)); /* what it leads to is replaced */
    ck_assert(lstat("weights.npy", &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0777) == 0640);
    free(read_npy("weights.npy", "(12,)", LOSSES));
}
END_TEST

START_TEST(device_and_pipe_are_written_and_stay) {
    /* the pipe is opened once more at the end, so that the reader ends if the command never came */
    static const char script[] = "rm -f pipe && mkfifo pipe && { cat pipe > piped.npy & } ;"
                                 " \"$CLMP_CLI\" weights losses.npy -o pipe; status=$?;"
                                 " : <> pipe; wait; exit $status";
    static const char *const argv[] = {"sh", "-c", script, NULL};
    struct stat status;
    write_npy("losses.npy", "<f4", "(12,)", twelve, sizeof twelve);
    assert_done(run_program(argv));
    ck_assert(lstat("pipe", &status) == 0 && S_ISFIFO(status.st_mode));
    free(read_npy("piped.npy", "(12,)", LOSSES));
    assert_done(clmp("weights", "losses.npy", "-o", "/dev/null", NULL));
    ck_assert(lstat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
}
END_TEST

START_TEST(output_to_standard_output_is_alone_there) {
    write_npy("losses.npy", "<f4", "(12,)", twelve, sizeof twelve);
    assert_done(clmp("weights", "losses.npy", "-o", "/dev/stdout", NULL));
    free(read_npy("stdout.txt", "(12,)", LOSSES));
}
END_TEST

static void wait_a_moment(void) {
    const struct timespec moment = {.tv_nsec = 10000000};
    nanosleep(&moment, NULL);
}

START_TEST(signal_leaves_nothing_behind) {
    const char *const argv[] = {cli_path(), "weights", "never", "-o", "weights.npy", NULL};
    int status, waited = 0;
    unlink("never");
    unlink("weights.npy");
    ck_assert(mkfifo("never", 0666) == 0); /* nobody writes: the command waits with its output opened */
    const pid_t child = fork();            /* no OpenCL here */
    if (child == 0) {
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    while (count_files(".clmp") == 0 && ++waited < 1000)
        wait_a_moment();
    const size_t before = count_files(".clmp");
    ck_assert(kill(child, _i ? SIGINT : SIGTERM) == 0);
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert(before == 1);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == (_i ? SIGINT : SIGTERM));
    ck_assert(count_files(".clmp") == 0 && count_files("weights.npy") == 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cli");
    TCase *tcase = add_case(suite, "words", "full quick");
    tcase_add_test(tcase, help_teaches_and_version_is_the_librarys);
    tcase_add_test(tcase, devices_are_listed_with_their_facts);
    tcase = add_case(suite, "weights", "full quick");
    tcase_add_loop_test(tcase, weights_of_losses_are_the_plain_mean_for_infinite_p, 0, 3);
    tcase_add_test(tcase, losses_come_through_a_pipe_in_any_shape);
    tcase_add_test(tcase, no_valid_pixel_is_a_loss_of_zero);
    tcase = add_case(suite, "loss", "full quick");
    tcase_add_test(tcase, loss_weights_and_gradient_fit_together);
    tcase_add_test(tcase, heatmap_shows_weights_and_greys_what_is_not_valid);
    tcase_add_loop_test(tcase, smaller_logits_are_interpolated, 0, 2);
    tcase_add_test(tcase, heatmap_of_interpolated_logits_greys_what_is_not_valid);
    tcase = add_case(suite, "variants", "full"); /* each builds kernels of its own */
    tcase_add_loop_test(tcase, weights_of_losses_are_the_hardest_for_p_one, 0, 2);
    tcase_add_test(tcase, labels_of_every_kind_agree);
    tcase_add_test(tcase, float16_logits_equal_float32_ones);
    tcase_add_test(tcase, scope_image_is_the_mean_of_the_images);
    tcase_add_test(tcase, solvers_give_the_same_bits);
    tcase_add_test(tcase, ignore_index_is_any_whole_number);
    tcase_add_test(tcase, class_weights_multiply_losses);
    tcase = add_case(suite, "outputs", "full quick");
    tcase_add_test(tcase, output_is_new_with_the_rights_of_the_umask);
    tcase_add_test(tcase, device_and_pipe_are_written_and_stay);
    tcase_add_test(tcase, output_to_standard_output_is_alone_there);
    tcase_add_loop_test(tcase, signal_leaves_nothing_behind, 0, 2);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}
