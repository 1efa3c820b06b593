/*
 * The trainer's kernels and its network: each adjoint and each gradient, against plain C in double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "network.h"
#include "train_support.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------ normalisation
 */

enum { IMAGES = 2, CHANNELS = 16 };

/* Of a channel's n-th number, over all images. */
static size_t place_in(size_t channel, size_t n, size_t pixels) {
    return (n / pixels * CHANNELS + channel) * pixels + n % pixels;
}

struct moments {
    double mean, variance;
};

static struct moments moments_of(const float *x, size_t channel, size_t pixels) {
    const double count = IMAGES * (double)pixels;
    struct moments moments = {0.0, 0.0};
    for (size_t n = 0; n < IMAGES * pixels; ++n)
        moments.mean += (double)x[place_in(channel, n, pixels)] / count;
    for (size_t n = 0; n < IMAGES * pixels; ++n)
        moments.variance += pow((double)x[place_in(channel, n, pixels)] - moments.mean, 2.0) / count;
    return moments;
}

/* sum of dy y, in double. */
static double normalised(const float *x, const float *parameters, const float *dy, size_t pixels) {
    double sum = 0.0;
    for (size_t channel = 0; channel < CHANNELS; ++channel) {
        const struct moments moments = moments_of(x, channel, pixels);
        for (size_t n = 0; n < IMAGES * pixels; ++n) {
            const size_t i = place_in(channel, n, pixels);
            const double y =
                (double)parameters[channel] * ((double)x[i] - moments.mean) / sqrt(moments.variance + 1e-5) +
                (double)parameters[CHANNELS + channel];
            sum += y > 0.0 ? y * (double)dy[i] : 0.0;
        }
    }
    return sum;
}

/* Every number's slope, by differences. */
static void check_slopes(const char *what, float *numbers, const float *gradient, size_t count, size_t every,
                         const float *x, const float *parameters, const float *dy, size_t pixels) {
    for (size_t i = 0; i < count; i += every) {
        const float kept = numbers[i];
        /* so small a step that hardly a ReLU's corner is within it */
        numbers[i] = kept + 0x1p-16f;
        const double high = (double)numbers[i], above = normalised(x, parameters, dy, pixels);
        numbers[i] = kept - 0x1p-16f;
        const double slope = (above - normalised(x, parameters, dy, pixels)) / (high - (double)numbers[i]);
        numbers[i] = kept;
        ck_assert_msg(fabs(slope - (double)gradient[i]) < 1e-3 * (1.0 + fabs(slope)) * sqrt((double)pixels),
                      "%s[%zu]: slope %g, gradient %g", what, i, slope, (double)gradient[i]);
    }
}

static const size_t norm_pixels[] = {1, 15, 16, 17, 690, 1100};

START_TEST(normalisation_and_its_gradient_are_right) {
    const size_t pixels = norm_pixels[_i], count = IMAGES * CHANNELS * pixels;
    const int skips = _i % 2; /* x is added to y, too: the slopes below are without that */
    struct chance chance = chance_of(2, (uint64_t)_i);
    float *x = normals(&chance, count), *parameters = normals(&chance, 2 * CHANNELS), *dy = normals(&chance, count);
    cl_mem of_x = floats_of(x, count), of_parameters = floats_of(parameters, 2 * CHANNELS),
           of_dy = floats_of(dy, count);
    cl_mem statistics = floats_of(NULL, 2 * CHANNELS), y = floats_of(NULL, count);
    cl_mem running = floats_of(parameters, 2 * CHANNELS), of_gradient = floats_of(NULL, 2 * CHANNELS);
    cl_mem totals = floats_of(NULL, 2 * CHANNELS);
    const float numbers_of_channel = (float)(IMAGES * pixels);
    for (int squares = 0; squares < 2; ++squares)
        ck_train(ENGINE_LAUNCH(&engine, TRAIN_NORM_SUMS, CHANNELS * engine.group, 1, engine.group, &failure,
                               of_mem(of_x), of_ulong(IMAGES), of_ulong(pixels), of_int(squares), of_mem(totals),
                               of_float(numbers_of_channel), of_mem(totals), of_ulong(squares ? CHANNELS : 0)));
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_NORM_STATISTICS, CHANNELS, 1, 0, &failure, of_mem(totals),
                           of_float(numbers_of_channel), of_mem(running), of_ulong(0), of_mem(statistics)));
    cl_mem input = floats_of(x, count), input_gradient = floats_of(NULL, count);
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_NORM_FORWARD, pixels, IMAGES * CHANNELS, 0, &failure, of_mem(of_x),
                           of_mem(statistics), of_mem(of_parameters), of_ulong(0), of_ulong(CHANNELS), of_int(skips),
                           of_mem(input), of_mem(y)));
    float *got = read_floats(y, count), *kept = read_floats(running, 2 * CHANNELS);
    ck_assert_double_eq_tol(dot(got, dy, count),
                            normalised(x, parameters, dy, pixels) + (skips ? dot(x, dy, count) : 0.0),
                            1e-4 * (10.0 + (double)count));
    for (size_t channel = 0; channel < CHANNELS; ++channel) {
        const struct moments moments = moments_of(x, channel, pixels);
        const double numbers = IMAGES * (double)pixels, of_sample = moments.variance * numbers / (numbers - 1.0);
        ck_assert_double_eq_tol((double)kept[channel], 0.9 * (double)parameters[channel] + 0.1 * moments.mean, 1e-5);
        ck_assert_double_eq_tol((double)kept[CHANNELS + channel],
                                0.9 * (double)parameters[CHANNELS + channel] + 0.1 * of_sample, 1e-5);
    }
    /* what is kept serves images that are predicted */
    cl_mem served = floats_of(NULL, 2 * CHANNELS);
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_NORM_RUNNING, CHANNELS, 1, 0, &failure, of_mem(running), of_ulong(0),
                           of_mem(served)));
    float *serve = read_floats(served, 2 * CHANNELS);
    for (size_t channel = 0; channel < CHANNELS; ++channel) {
        const double variance = (double)kept[CHANNELS + channel] + 1e-5;
        ck_assert_float_eq(serve[2 * channel], kept[channel]);
        if (variance > 0.0) /* `running` began with any numbers, below 0, too */
            ck_assert_double_eq_tol((double)serve[2 * channel + 1] * sqrt(variance), 1.0, 1e-5);
    }
    clReleaseMemObject(served);
    free(serve);
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_NORM_PARAMETERS, CHANNELS * engine.group, 1, engine.group, &failure,
                           of_mem(of_x), of_mem(of_dy), of_ulong(IMAGES), of_ulong(pixels), of_mem(statistics),
                           of_mem(of_parameters), of_ulong(0), of_mem(of_gradient), of_ulong(0)));
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_NORM_BACKWARD, pixels, IMAGES * CHANNELS, 0, &failure, of_mem(of_x),
                           of_mem(statistics), of_mem(of_parameters), of_mem(of_gradient), of_ulong(0),
                           of_ulong(CHANNELS), of_float(numbers_of_channel), of_int(skips), of_mem(input_gradient),
                           of_mem(of_dy)));
    float *past = read_floats(input_gradient, count);
    ck_assert(!skips || memcmp(past, dy, count * sizeof *dy) == 0);
    free(past);
    float *dx = read_floats(of_dy, count), *gradient = read_floats(of_gradient, 2 * CHANNELS);
    check_slopes("x", x, dx, count, 1 + count / 200, x, parameters, dy, pixels);
    check_slopes("parameters", parameters, gradient, 2 * CHANNELS, 1, x, parameters, dy, pixels);
    cl_mem buffers[] = {of_x, of_parameters, of_dy, statistics, y, running, of_gradient, input, input_gradient, totals};
    engine_release(buffers, sizeof buffers / sizeof *buffers);
    free(x);
    free(parameters);
    free(dy);
    free(got);
    free(kept);
    free(dx);
    free(gradient);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------------- features
 */

static const struct { size_t height, width; } sizes[] = {{1, 1}, {5, 7}, {4, 8}, {45, 60}};

START_TEST(features_are_as_defined_and_so_is_their_adjoint) {
    enum { FINE = 3, COARSE = 5, ALL = FINE + COARSE };
    const size_t height = sizes[_i].height, width = sizes[_i].width, rows = (height + 1) / 2, row = (width + 1) / 2;
    const size_t of_fine = IMAGES * FINE * height * width, of_coarse = IMAGES * COARSE * rows * row;
    const size_t count = IMAGES * ALL * height * width;
    struct chance chance = chance_of(3, (uint64_t)_i);
    float *fine = normals(&chance, of_fine), *coarse = normals(&chance, of_coarse), *given = normals(&chance, count);
    cl_mem buffers[] = {floats_of(fine, of_fine), floats_of(coarse, of_coarse), floats_of(NULL, count),
                        floats_of(given, count),  floats_of(NULL, of_fine),     floats_of(NULL, of_coarse)};
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_FEATURES, height, IMAGES * ALL, 0, &failure, of_mem(buffers[0]),
                           of_mem(buffers[1]), of_int(FINE), of_int(COARSE), of_int(height), of_int(width),
                           of_int(rows), of_int(row), of_mem(buffers[2])));
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_FEATURES_FINE, height, IMAGES * FINE, 0, &failure, of_mem(buffers[3]),
                           of_int(FINE), of_int(COARSE), of_int(height), of_int(width), of_mem(buffers[4])));
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_FEATURES_COARSE, rows, IMAGES * COARSE, 0, &failure, of_mem(buffers[3]),
                           of_int(FINE), of_int(COARSE), of_int(height), of_int(width), of_int(row),
                           of_mem(buffers[5])));
    float *got = read_floats(buffers[2], count), *to_fine = read_floats(buffers[4], of_fine);
    float *to_coarse = read_floats(buffers[5], of_coarse);
    for (size_t i = 0; i < count; ++i) {
        const size_t x = i % width, y = i / width % height, channel = i / width / height % ALL;
        const size_t image = i / width / height / ALL;
        ck_assert_float_eq(got[i], channel < FINE
                                       ? fine[((image * FINE + channel) * height + y) * width + x]
                                       : coarse[((image * COARSE + channel - FINE) * rows + y / 2) * row + x / 2]);
    }
    ck_assert_double_eq_tol(dot(got, given, count), dot(fine, to_fine, of_fine) + dot(coarse, to_coarse, of_coarse),
                            1e-6 * (1.0 + (double)count));
    engine_release(buffers, sizeof buffers / sizeof *buffers);
    free(fine);
    free(coarse);
    free(given);
    free(got);
    free(to_fine);
    free(to_coarse);
}
END_TEST

/* ------------------------------------------------------------------------------------------------- pictures, optimiser
 */

START_TEST(images_become_numbers) {
    enum { PIXELS = 7 };
    uint8_t rgb[2 * PIXELS * 3];
    for (size_t i = 0; i < sizeof rgb; ++i)
        rgb[i] = (uint8_t)(i * 6);
    cl_mem bytes = NULL, x = floats_of(NULL, 2 * 3 * PIXELS);
    ck_train(session_buffer(&engine.session, "bytes", rgb, sizeof rgb, &bytes, &failure));
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_IMAGE, PIXELS, 2, 0, &failure, of_mem(bytes), of_mem(x)));
    float *got = read_floats(x, 2 * 3 * PIXELS);
    for (size_t i = 0; i < 2 * 3 * PIXELS; ++i) {
        const size_t pixel = i % PIXELS, channel = i / PIXELS % 3, image = i / PIXELS / 3;
        const double want = (double)rgb[(image * PIXELS + pixel) * 3 + channel] * 4.0 / 255.0 - 2.0;
        ck_assert_double_eq_tol((double)got[i], want, 1e-6);
    }
    clReleaseMemObject(bytes);
    clReleaseMemObject(x);
    free(got);
}
END_TEST

/* As the library's confusion matrix has it: the prediction of a pixel is the matrix's only entry. */
START_TEST(predictions_are_the_largest_logits) {
    enum { CLASSES = 5, ROWS = 6, ROW = 9, HEIGHT = 22, WIDTH = 36 };
    struct chance chance = chance_of(4, 0);
    float *logits = normals(&chance, CLASSES * ROWS * ROW);
    cl_mem of_logits = floats_of(logits, CLASSES * ROWS * ROW), bytes = NULL, confusion = NULL;
    uint8_t got[HEIGHT * WIDTH];
    uint64_t counts[CLMP_CONFUSION(CLASSES)] = {0};
    ck_train(session_buffer(&engine.session, "bytes", NULL, sizeof got, &bytes, &failure));
    ck_train(session_buffer(&engine.session, "counts", counts, sizeof counts, &confusion, &failure));
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_PREDICT, WIDTH, HEIGHT, 0, &failure, of_mem(of_logits), of_ulong(0),
                           of_int(CLASSES), of_int(ROWS), of_int(ROW), of_mem(bytes)));
    ck_train(engine_read(&engine, bytes, 0, sizeof got, got, &failure));
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = CLASSES;
    params.height = HEIGHT;
    params.width = WIDTH;
    params.logits_height = ROWS;
    params.logits_width = ROW;
    clmp_plan *plan = NULL;
    ck_assert_int_eq(clmp_plan_create(engine.session.context, &params, &plan), CLMP_OK);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = of_logits;
    buffers.labels.mem = bytes; /* the predictions as labels: then all of the matrix is its diagonal */
    buffers.confusion.mem = confusion;
    ck_assert_int_eq(clmp_enqueue_confusion(plan, engine.session.queue, &buffers, 0, NULL, NULL), CLMP_OK);
    ck_train(engine_read(&engine, confusion, 0, sizeof counts, counts, &failure));
    uint64_t right = 0;
    for (int c = 0; c < CLASSES; ++c) {
        ck_assert_uint_gt(counts[c * CLASSES + c], 0);
        right += counts[c * CLASSES + c];
    }
    ck_assert_uint_eq(right, HEIGHT * WIDTH);
    clmp_plan_destroy(plan);
    clReleaseMemObject(of_logits);
    clReleaseMemObject(bytes);
    clReleaseMemObject(confusion);
    free(logits);
}
END_TEST

START_TEST(adam_steps_as_defined) {
    struct parameters parameters;
    ck_train(parameters_make(&engine, 3, 5, &parameters, &failure));
    struct chance chance = chance_of(5, 0);
    const size_t count = parameters.count;
    float *x = read_floats(parameters.values, count), *g = normals(&chance, count);
    double *want = malloc(count * sizeof *want), *m = calloc(count, sizeof *m), *v = calloc(count, sizeof *v);
    for (size_t i = 0; i < count; ++i)
        want[i] = (double)x[i];
    ck_train(engine_write(&engine, parameters.gradient, 0, count * sizeof *g, g, &failure));
    for (int t = 1; t <= 3; ++t) {
        ck_train(parameters_step(&engine, &parameters, (uint64_t)t, 1e-2, 1e-4, &failure));
        for (size_t i = 0; i < count; ++i) {
            m[i] = 0.9 * m[i] + 0.1 * (double)g[i];
            v[i] = 0.999 * v[i] + 0.001 * (double)g[i] * (double)g[i];
            want[i] -= 1e-2 * 1e-4 * want[i];
            want[i] -= 1e-2 * (m[i] / (1.0 - pow(0.9, t))) / (sqrt(v[i] / (1.0 - pow(0.999, t))) + 1e-8);
        }
    }
    float *got = read_floats(parameters.values, count);
    for (size_t i = 0; i < count; ++i)
        ck_assert_double_eq_tol((double)got[i], want[i], 2e-5);
    parameters_free(&parameters);
    free(x);
    free(g);
    free(got);
    free(want);
    free(m);
    free(v);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ sums */

START_TEST(shared_sums_have_no_order) {
    enum { PARTS = 5, COUNT = 300 };
    struct team team;
    struct chance chance = chance_of(7, (uint64_t)_i);
    float *numbers = normals(&chance, PARTS * COUNT), *turned = malloc(PARTS * COUNT * sizeof *turned);
    float sums[COUNT], others[COUNT];
    for (size_t i = 0; i < PARTS * COUNT; ++i)
        numbers[i] = ldexpf(numbers[i], (int)chance_below(&chance, 60) - 30 + 40 * (_i - 1));
    for (size_t part = 0; part < PARTS; ++part)
        memcpy(turned + part * COUNT, numbers + (part + 2) % PARTS * COUNT, COUNT * sizeof *turned);
    ck_train(team_join(false, &team, &failure));
    ck_train(team_add(&team, numbers, PARTS, COUNT, sums, &failure));
    ck_train(team_add(&team, turned, PARTS, COUNT, others, &failure));
    ck_assert_mem_eq(sums, others, sizeof sums);
    float most = 0.0f;
    for (size_t i = 0; i < PARTS * COUNT; ++i)
        most = fmaxf(most, fabsf(numbers[i]));
    for (size_t i = 0; i < COUNT; ++i) {
        long double sum = 0.0L;
        for (size_t part = 0; part < PARTS; ++part)
            sum += (long double)numbers[part * COUNT + i];
        ck_assert(fabsl((long double)sums[i] - sum) <=
                  0x1p-24L * fabsl(sum) + 2 * PARTS * 0x1p-52L * (long double)most);
    }
    numbers[COUNT + 7] = _i == 0 ? NAN : _i == 1 ? INFINITY : -INFINITY;
    ck_train(team_add(&team, numbers, PARTS, COUNT, sums, &failure));
    for (size_t i = 0; i < COUNT; ++i)
        ck_assert(isnan(sums[i]));
    memset(numbers, 0, PARTS * COUNT * sizeof *numbers);
    ck_train(team_add(&team, numbers, PARTS, COUNT, sums, &failure));
    for (size_t i = 0; i < COUNT; ++i)
        ck_assert_float_eq(sums[i], 0.0f);
    ck_assert(team_leave(&team, "check_train", NULL, &failure));
    free(numbers);
    free(turned);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ network
 */

/* sum of r features, for parameters as they are. */
static double features_sum(const struct network *network, const struct parameters *parameters, const float *r,
                           size_t count) {
    ck_train(network_forward(&engine, network, parameters, &failure));
    float *features = read_floats(network->features, count);
    const double sum = dot(features, r, count);
    free(features);
    return sum;
}

/* The slope along the parameters of each layer, by a difference; ReLU has corners, so a step is small. */
START_TEST(network_gradients_are_slopes) {
    enum { BATCH = 2, HEIGHT = 45, WIDTH = 62, SHARED = 2, CASES = 3 };
    const bool own = engine.direct;
    engine.direct = _i < CASES;
    struct network network;
    struct parameters parameters;
    struct chance chance = chance_of(6, (uint64_t)(_i % CASES));
    ck_train(parameters_make(&engine, 4, 9, &parameters, &failure));
    ck_train(network_make(&engine, BATCH, HEIGHT, WIDTH, true, &network, &failure));
    struct team team; /* of one process, in the last case, where each image has gradients of its own */
    ck_train(team_join(false, &team, &failure));
    ck_train(_i % CASES < SHARED || parameters_share(&engine, &team, BATCH, BATCH, &parameters, &failure));
    const size_t count = BATCH * NETWORK_FEATURES * network.rows * network.row;
    float *image = normals(&chance, BATCH * 3 * HEIGHT * WIDTH), *r = normals(&chance, count);
    ck_train(engine_write(&engine, network.image, 0, BATCH * 3 * HEIGHT * WIDTH * sizeof *image, image, &failure));
    ck_train(engine_write(&engine, network.features_gradient, 0, count * sizeof *r, r, &failure));
    features_sum(&network, &parameters, r, count);
    ck_train(network_backward(&engine, &network, &parameters, &failure));
    float *x = read_floats(parameters.values, parameters.stored);
    float *gradient = read_floats(parameters.gradient, parameters.count);
    float *moved = malloc(parameters.count * sizeof *moved);
    for (int l = 0; l < NETWORK_LAYERS; ++l)
        for (int part = 0; part < 2; ++part) { /* weights; gains and shifts */
            const size_t begin = part == 0 ? parameters.weight[l] : parameters.gain[l];
            const size_t end = part == 0                ? parameters.gain[l]
                               : l + 1 < NETWORK_LAYERS ? parameters.weight[l + 1]
                                                        : parameters.head_weight;
            double norm = 0.0, slope = 0.0;
            for (size_t i = begin; i < end; ++i)
                norm += (double)gradient[i] * (double)gradient[i];
            norm = sqrt(norm);
            const double step = 2e-3; /* along the gradient */
            for (int side = -1; side <= 1; side += 2) {
                memcpy(moved, x, parameters.count * sizeof *x);
                for (size_t i = begin; i < end; ++i)
                    moved[i] = (float)((double)x[i] + side * step * (double)gradient[i] / norm);
                ck_train(engine_write(&engine, parameters.values, 0, parameters.count * sizeof *x, moved, &failure));
                slope += side * features_sum(&network, &parameters, r, count) / (2.0 * step);
            }
            ck_assert_msg(fabs(slope - norm) < 0.02 * norm, "layer %d, %s: slope %g, gradient %g", l,
                          part == 0 ? "weights" : "gains and shifts", slope, norm);
        }
    parameters_free(&parameters);
    network_free(&network);
    ck_assert(team_leave(&team, "check_train", NULL, &failure));
    engine.direct = own;
    free(image);
    free(r);
    free(x);
    free(gradient);
    free(moved);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("train");
    TCase *quick = add_case(suite, "kernels", "quick full small");
    tcase_add_checked_fixture(quick, open_engine, close_engine);
    tcase_add_loop_test(quick, normalisation_and_its_gradient_are_right, 0,
                        (int)(sizeof norm_pixels / sizeof *norm_pixels));
    tcase_add_loop_test(quick, features_are_as_defined_and_so_is_their_adjoint, 0, (int)(sizeof sizes / sizeof *sizes));
    tcase_add_test(quick, images_become_numbers);
    tcase_add_test(quick, predictions_are_the_largest_logits);
    tcase_add_test(quick, adam_steps_as_defined);
    tcase_add_loop_test(quick, shared_sums_have_no_order, 0, 3);
    TCase *full = add_case(suite, "network", "full");
    tcase_add_checked_fixture(full, open_engine, close_engine);
    tcase_add_loop_test(full, network_gradients_are_slopes, 0, 3);
    TCase *matrices = add_case(suite, "products of matrices", "full"); /* CLBlast takes long to compile */
    tcase_add_checked_fixture(matrices, open_engine, close_engine);
    tcase_add_loop_test(matrices, network_gradients_are_slopes, 3, 6);
    return host_test_main(suite);
}
