/*
 * Counts: of label maps, for class weights, and of predictions against labels, for metrics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- device
 */

/* `count` numbers of 64 bits on the device, `shift` of them into a buffer; what is beside them must stay. */
struct counters {
    cl_mem mem;
    uint64_t *host;
    size_t count, shift;
};

enum { BESIDE = 4 };
static const uint64_t guard = 0x5ca1ab1e5ca1ab1eu;

static struct counters counters_new(size_t count, size_t shift) {
    struct counters counters = {.count = count, .shift = shift};
    const size_t all = count + shift + BESIDE;
    counters.host = calloc(all, sizeof *counters.host);
    ck_assert_ptr_nonnull(counters.host);
    for (size_t i = 0; i < all; i++)
        counters.host[i] = i < shift || i >= shift + count ? guard : 0;
    cl_int error = CL_SUCCESS;
    counters.mem = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                  all * sizeof *counters.host, counters.host, &error);
    ck_cl(error);
    return counters;
}

static const uint64_t *counters_read(struct counters *counters) {
    const size_t all = counters->count + counters->shift + BESIDE;
    ck_cl(clEnqueueReadBuffer(test_device()->queue, counters->mem, CL_TRUE, 0, all * sizeof *counters->host,
                              counters->host, 0, NULL, NULL));
    for (size_t i = 0; i < all; i++)
        ck_assert(counters->host[i] == guard || (i >= counters->shift && i < counters->shift + counters->count));
    return counters->host + counters->shift;
}

static void counters_free(struct counters *counters) {
    ck_cl(clReleaseMemObject(counters->mem));
    free(counters->host);
}

static cl_mem buffer_of(const void *data, size_t size) {
    cl_int error = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(test_device()->cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, size,
                                (void *)(uintptr_t)data, &error);
    ck_cl(error);
    return mem;
}

static clmp_plan *plan_for(const struct problem *problem, clmp_input input, const clmp_tuning *tuning) {
    struct problem changed = *problem;
    changed.in.params.input = input;
    struct run run = {.tuning = *tuning};
    return plan_of(&changed, &run);
}

static void assert_counts(const struct problem *problem, const uint64_t *got, const uint64_t *want, size_t count) {
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(got[i] == want[i], "[%zu] is %llu, not %llu; %s", i, (unsigned long long)got[i],
                      (unsigned long long)want[i], describe(problem));
}

static const clmp_tuning tunings[] = {{.chunks = 0},
                                      {.vector_width = 1, .bin_group = 1, .chunks = 1},
                                      {.vector_width = 2, .group_size = 8, .bin_group = 8, .chunks = 3},
                                      {.vector_width = 16, .group_size = 16, .bin_group = 32, .chunks = 7},
                                      {.vector_width = 4, .bin_group = 2, .chunks = 1000}};
enum { TUNINGS = sizeof tunings / sizeof *tunings };

/* ------------------------------------------------------------------------------------------------------- label counts
 */

static struct problem *labelled(uint64_t images, uint64_t classes, uint64_t height, uint64_t width,
                                clmp_label_type type, int index) {
    struct problem *problem = problem_of_logits(images, classes, height, width, type);
    struct rng rng = rng_for("counts", (uint64_t)index);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        const uint64_t image = i / (height * width), draw = rng_below(&rng, 20);
        /* classes as an image has them: few of all, in runs */
        int64_t label = (int64_t)((image * 7 + rng_below(&rng, 1 + classes / 3)) % classes);
        if (i > 0 && draw < 12)
            label = get_label(problem, i - 1);
        if (draw == 18)
            label = 255;
        if (draw == 19)
            label = type == CLMP_LABEL_UINT8 ? 254 : type == CLMP_LABEL_UINT16 ? 65535 : -1 - (int64_t)i;
        set_label(problem, i, label);
    }
    return problem;
}

static void count_labels(const struct problem *problem, uint64_t *counts) {
    const uint64_t classes = problem->in.params.classes, area = problem->pixels / problem->in.params.images;
    for (uint64_t image = 0; image < problem->in.params.images; image++) {
        uint64_t *here = calloc(classes, sizeof *here), all = 0;
        ck_assert_ptr_nonnull(here);
        for (uint64_t i = image * area; i < (image + 1) * area; i++) {
            const int64_t label = get_label(problem, i);
            if (label == problem->in.params.ignore_index)
                counts[2 * classes]++;
            else if (label < 0 || (uint64_t)label >= classes)
                counts[2 * classes + 1]++;
            else {
                here[label]++;
                all++;
            }
        }
        for (uint64_t c = 0; c < classes; c++) {
            counts[c] += here[c];
            counts[classes + c] += here[c] ? all : 0;
        }
        counts[2 * classes + 2]++;
        free(here);
    }
}

static const uint64_t class_counts[] = {1, 19, 200, 3000};

START_TEST(label_maps_are_counted_over_calls) {
    const clmp_label_type type = (clmp_label_type)(_i % 4);
    const uint64_t classes =
        class_counts[_i / 4 % 4] > 200 && type == CLMP_LABEL_UINT8 ? 150 : class_counts[_i / 4 % 4];
    const clmp_tuning *tuning = &tunings[(_i / 4 + _i) % TUNINGS];
    if (!can_tune(tuning))
        return;
    uint64_t *want = calloc((size_t)CLMP_LABEL_COUNTS(classes), sizeof *want);
    ck_assert_ptr_nonnull(want);
    struct counters counters = counters_new((size_t)CLMP_LABEL_COUNTS(classes), (size_t)_i % 3);
    struct problem *problem = NULL;
    for (int call = 0; call < 3; call++) { /* of different shapes */
        if (problem != NULL)
            problem_free(problem);
        problem = labelled((uint64_t)(1 + call * 2), classes, (uint64_t)(31 + call), 17, type, 3 * _i + call);
        problem->in.params.ignore_index = _i % 2 ? 255 : 0;
        count_labels(problem, want);
        clmp_plan *plan = plan_for(problem, CLMP_INPUT_LABELS, tuning);
        clmp_buffers buffers;
        clmp_buffers_init(&buffers);
        buffers.labels.mem = buffer_of(problem->labels, problem->pixels * label_size(type));
        buffers.label_counts = (clmp_buffer){counters.mem, counters.shift * sizeof(uint64_t)};
        cl_event event = NULL;
        ck_status(clmp_enqueue_label_counts(plan, test_device()->queue, &buffers, 0, NULL, &event), CLMP_OK);
        ck_assert_ptr_nonnull(event);
        ck_cl(clReleaseEvent(event));
        assert_counts(problem, counters_read(&counters), want, counters.count);
        ck_cl(clReleaseMemObject(buffers.labels.mem));
        clmp_plan_destroy(plan);
    }
    counters_free(&counters);
    problem_free(problem);
    free(want);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ class weights
 */

/* 4 classes; class 2 is absent, class 1 in one of two images only. */
static const uint64_t known_counts[] = {600, 50, 0, 150, 800, 300, 0, 800, 5, 7, 2};

START_TEST(schemes_are_their_definitions) {
    const double f[] = {0.75, 0.0625, 0.0, 0.1875}, g[] = {0.75, 50.0 / 300.0, 0.0, 0.1875}, beta = 0.99;
    double effective[4], mean = 0.0;
    for (int c = 0; c < 4; c++) {
        effective[c] = known_counts[c] ? (1.0 - beta) / (1.0 - pow(beta, (double)known_counts[c])) : 0.0;
        mean += effective[c] / 3.0;
    }
    for (int scheme = CLMP_CLASS_INVERSE; scheme <= CLMP_CLASS_EFFECTIVE; scheme++) {
        clmp_class_weights_params params;
        float weights[4];
        clmp_class_weights_params_init(&params);
        params.scheme = (clmp_class_scheme)scheme;
        params.beta = beta;
        params.absent = 0.125;
        ck_status(clmp_class_weights(known_counts, 4, &params, weights), CLMP_OK);
        for (int c = 0; c < 4; c++) {
            double want = 0.125;
            if (c != 2 && scheme <= CLMP_CLASS_INVERSE_SQRT)
                want = 1.0 / (3.0 * f[c]);
            else if (c != 2 && scheme <= CLMP_CLASS_MEDIAN_SQRT)
                want = 0.1875 / g[c];
            else if (c != 2)
                want = scheme == CLMP_CLASS_ENET ? 1.0 / log(1.02 + f[c]) : effective[c] / mean;
            if (c != 2 && (scheme == CLMP_CLASS_INVERSE_SQRT || scheme == CLMP_CLASS_MEDIAN_SQRT))
                want = sqrt(want);
            ck_assert_msg(fabs((double)weights[c] - want) <= 1e-6 * want, "scheme %d, class %d: %g, not %g", scheme, c,
                          (double)weights[c], want);
        }
    }
}
END_TEST

START_TEST(no_class_weight_is_infinite) {
    static const uint64_t none[CLMP_LABEL_COUNTS(3)] = {0}, one[CLMP_LABEL_COUNTS(3)] = {1, 0, 0, 1, 0, 0, 0, 0, 1},
                          huge[CLMP_LABEL_COUNTS(3)] = {UINT64_MAX / 4, 1, 1, UINT64_MAX / 2, 2, 2};
    const uint64_t *const counts[] = {none, one, huge};
    static const double betas[] = {0.0, 0.9999, 1.0 - 0x1p-53};
    for (int i = 0; i < 3 * 6 * 3; i++) {
        clmp_class_weights_params params;
        float weights[3];
        clmp_class_weights_params_init(&params);
        params.scheme = (clmp_class_scheme)(i / 3 % 6);
        params.beta = betas[i / 18];
        ck_status(clmp_class_weights(counts[i % 3], 3, &params, weights), CLMP_OK);
        for (int c = 0; c < 3; c++) {
            ck_assert_msg(isfinite(weights[c]) && weights[c] >= 0.0f, "counts %d, scheme %d: %g", i % 3, i / 3 % 6,
                          (double)weights[c]);
            ck_assert(counts[i % 3][c] != 0 || weights[c] == 1.0f);
        }
    }
}
END_TEST

START_TEST(bad_class_weights_params_are_refused) {
    static const struct {
        clmp_class_scheme scheme;
        double enet_offset, beta, absent;
    } bad[] = {{(clmp_class_scheme)6, 1.02, 0.9, 1.0},
               {(clmp_class_scheme)-1, 1.02, 0.9, 1.0},
               {CLMP_CLASS_ENET, 1.0, 0.9, 1.0},
               {CLMP_CLASS_ENET, INFINITY, 0.9, 1.0},
               {CLMP_CLASS_EFFECTIVE, 1.02, 1.0, 1.0},
               {CLMP_CLASS_EFFECTIVE, 1.02, -0.1, 1.0},
               {CLMP_CLASS_EFFECTIVE, 1.02, (double)NAN, 1.0},
               {CLMP_CLASS_INVERSE, 1.02, 0.9, -1.0},
               {CLMP_CLASS_INVERSE, 1.02, 0.9, (double)INFINITY}};
    float weights[4] = {7.0f, 7.0f, 7.0f, 7.0f};
    clmp_class_weights_params params;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clmp_class_weights_params_init(&params);
        params.scheme = bad[i].scheme;
        params.enet_offset = bad[i].enet_offset;
        params.beta = bad[i].beta;
        params.absent = bad[i].absent;
        ck_status(clmp_class_weights(known_counts, 4, &params, weights), CLMP_INVALID_ARGUMENT);
    }
    ck_status(clmp_class_weights(NULL, 4, NULL, weights), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_class_weights(known_counts, 0, NULL, weights), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_class_weights(known_counts, 4, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_assert(weights[0] == 7.0f && weights[3] == 7.0f);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- confusion
 */

/* By the definition; pixels too near to a tie to tell are ignored first. */
static void count_predictions(struct problem *problem, uint64_t *confusion) {
    const clmp_plan_params *params = &problem->in.params;
    const uint64_t classes = params->classes;
    const bool upsampled = reference_upsampled(params);
    long double *x = calloc(classes, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        const uint64_t area = params->height * params->width;
        if (upsampled)
            upsample_exact_relative(&problem->in, i, x);
        for (uint64_t c = 0; c < classes && !upsampled; c++)
            x[c] = problem->logits[(i / area * classes + c) * area + i % area];
        uint64_t best = 0;
        bool clean = !isnan(x[0]), bounded = x[0] > -HUGE_VALL;
        for (uint64_t c = 1; c < classes; c++) {
            clean = clean && !isnan(x[c]);
            bounded = bounded || x[c] > -HUGE_VALL;
            best = x[c] > x[best] ? c : best;
        }
        for (uint64_t c = 0; c < classes && upsampled; c++) {
            if (c != best && fabsl(x[c] - x[best]) < 1e-4L)
                set_label(problem, i, params->ignore_index);
            clean = clean && x[c] < HUGE_VALL;
        }
        clean = clean && (!upsampled || bounded);
        const int64_t label = get_label(problem, i);
        if (label == params->ignore_index)
            confusion[classes * classes]++;
        else if (label < 0 || (uint64_t)label >= classes)
            confusion[classes * classes + 1]++;
        else
            confusion[clean ? (uint64_t)label * classes + best : classes * classes + 2]++;
    }
    free(x);
}

static void check_confusion(struct problem *problem, const clmp_tuning *tuning, size_t shift) {
    const size_t count = (size_t)CLMP_CONFUSION(problem->in.params.classes);
    uint64_t *want = calloc(count, sizeof *want);
    ck_assert_ptr_nonnull(want);
    count_predictions(problem, want);
    struct counters counters = counters_new(count, shift);
    clmp_plan *plan = plan_for(problem, CLMP_INPUT_LOGITS, tuning);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = buffer_of(problem->logits, problem->elements * sizeof(float));
    buffers.labels.mem = buffer_of(problem->labels, problem->pixels * label_size(problem->in.params.label_type));
    buffers.confusion = (clmp_buffer){counters.mem, shift * sizeof(uint64_t)};
    for (int call = 0; call < 2; call++) {
        ck_status(clmp_enqueue_confusion(plan, test_device()->queue, &buffers, 0, NULL, NULL), CLMP_OK);
        assert_counts(problem, counters_read(&counters), want, count);
        for (size_t i = 0; i < count; i++)
            want[i] *= 2; /* the second call adds as much again */
    }
    ck_cl(clReleaseMemObject(buffers.logits.mem));
    ck_cl(clReleaseMemObject(buffers.labels.mem));
    clmp_plan_destroy(plan);
    counters_free(&counters);
    free(want);
}

START_TEST(predictions_are_counted) {
    static const uint64_t classes[] = {1, 2, 19, 70};
    const clmp_tuning *tuning = &tunings[_i % TUNINGS];
    if (!can_tune(tuning))
        return;
    struct problem *problem =
        problem_of_logits(1 + (uint64_t)_i % 3, classes[_i % 4], 13, 29, (clmp_label_type)(_i / 4 % 4));
    struct rng rng = rng_for("predictions", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    for (uint64_t i = 0; i < problem->elements; i++)
        if (_i % 3 == 2) /* about 0, with what some devices take for it */
            problem->logits[i] = (float)((int)rng_below(&rng, 9) - 4) * (FLT_MIN / 2.0f);
        else if (_i % 2) /* ties */
            problem->logits[i] = roundf(problem->logits[i]);
    check_confusion(problem, tuning, (size_t)_i % 3);
    problem_free(problem);
}
END_TEST

START_TEST(predictions_of_interpolated_logits_are_counted) {
    static const uint64_t sizes[][2] = {{16, 40}, {21, 33}, {64, 80}, {5, 5}};
    const clmp_tuning *tuning = &tunings[_i % TUNINGS];
    if (!can_tune(tuning))
        return;
    struct problem *problem =
        problem_upsampled(2, 3 + (uint64_t)_i, 4, 5, sizes[_i % 4][0], sizes[_i % 4][1], (clmp_label_type)(_i % 4));
    struct rng rng = rng_for("predictions", (uint64_t)_i);
    problem->in.params.align_corners = _i / 4 % 2;
    fill_logits_upsampled(problem, &rng);
    *logit_of(problem, 7, 1) = _i % 3 == 0 ? NAN : _i % 3 == 1 ? INFINITY : -INFINITY;
    check_confusion(problem, tuning, (size_t)_i % 2);
    problem_free(problem);
}
END_TEST

/* Of every magnitude, so that float32 cancels; and numbers that are each other's negatives, for exact ties. */
START_TEST(predictions_between_far_logits_are_counted) {
    struct problem *problem =
        problem_upsampled(2, 3, 4, 5, _i % 2 ? 13 : 16, _i % 2 ? 17 : 20, (clmp_label_type)(_i % 4));
    struct rng rng = rng_for("far predictions", (uint64_t)_i);
    for (int exponent = _i; exponent < 128; exponent += 11) {
        problem->in.params.align_corners = exponent % 2;
        fill_logits_upsampled(problem, &rng);
        for (uint64_t i = 0; i < problem->elements; i++)
            problem->logits[i] = exponent % 3 ? ldexpf((float)(2.0 * rng_uniform(&rng) - 1.0), exponent)
                                              : ldexpf((float)((int)rng_below(&rng, 3) - 1), exponent);
        check_confusion(problem, &tunings[_i % TUNINGS], 0);
    }
    problem_free(problem);
}
END_TEST

START_TEST(ties_go_to_the_lowest_class) {
    struct problem *problem = problem_of_logits(1, 3, 1, 4, CLMP_LABEL_UINT8);
    static const float logits[] = {1, -INFINITY, 0.0f, 2, 1, -INFINITY, -0.0f, 3, 0, -INFINITY, -1, 3};
    memcpy(problem->logits, logits, sizeof logits);
    for (uint64_t i = 0; i < 4; i++)
        set_label(problem, i, 2);
    struct counters counters = counters_new((size_t)CLMP_CONFUSION(3), 0);
    clmp_plan *plan = plan_for(problem, CLMP_INPUT_LOGITS, &tunings[0]);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = buffer_of(logits, sizeof logits);
    buffers.labels.mem = buffer_of(problem->labels, 4);
    buffers.confusion.mem = counters.mem;
    ck_status(clmp_enqueue_confusion(plan, test_device()->queue, &buffers, 0, NULL, NULL), CLMP_OK);
    const uint64_t *got = counters_read(&counters);
    ck_assert(got[6] == 3 && got[7] == 1 && got[8] == 0); /* classes 0, 0, 0, 1 */
    ck_cl(clReleaseMemObject(buffers.logits.mem));
    ck_cl(clReleaseMemObject(buffers.labels.mem));
    clmp_plan_destroy(plan);
    counters_free(&counters);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ metrics
 */

START_TEST(metrics_are_their_definitions) {
    /* class 0: 3 right, 1 taken for class 1; class 1: 2 right; class 2 is predicted only; class 3 is nowhere */
    static const uint64_t confusion[CLMP_CONFUSION(4)] = {3, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9};
    clmp_metrics metrics;
    double iou[4], accuracy[4];
    ck_status(clmp_confusion_metrics(confusion, 4, &metrics, iou, accuracy), CLMP_OK);
    ck_assert(metrics.pixels == 8 && metrics.correct == 5 && metrics.present == 3 && metrics.labelled == 2);
    ck_assert(metrics.pixel_accuracy == 5.0 / 8.0 && fabs(metrics.mean_accuracy - 0.625) < 1e-15);
    ck_assert(iou[0] == 0.75 && iou[1] == 0.4 && iou[2] == 0.0 && isnan(iou[3]));
    ck_assert(accuracy[0] == 0.75 && accuracy[1] == 0.5 && isnan(accuracy[2]) && isnan(accuracy[3]));
    ck_assert(fabs(metrics.mean_iou - (0.75 + 0.4) / 3.0) < 1e-15);
    static const uint64_t nothing[CLMP_CONFUSION(2)] = {0};
    ck_status(clmp_confusion_metrics(nothing, 2, &metrics, NULL, NULL), CLMP_OK);
    ck_assert(metrics.pixels == 0 && metrics.mean_iou == 0.0 && metrics.pixel_accuracy == 0.0);
    ck_status(clmp_confusion_metrics(NULL, 2, &metrics, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_confusion_metrics(nothing, 0, &metrics, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_confusion_metrics(nothing, 2, NULL, NULL, NULL), CLMP_INVALID_ARGUMENT);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------- misuse
 */

START_TEST(wrong_plans_and_buffers_are_refused) {
    struct problem *problem = labelled(1, 3, 4, 5, CLMP_LABEL_UINT8, 0);
    clmp_plan *labels = plan_for(problem, CLMP_INPUT_LABELS, &tunings[0]);
    clmp_plan *logits = plan_for(problem, CLMP_INPUT_LOGITS, &tunings[0]);
    struct counters counters = counters_new(8, 0);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    cl_command_queue queue = test_device()->queue;
    buffers.labels.mem = buffer_of(problem->labels, problem->pixels);
    buffers.label_counts.mem = buffers.confusion.mem = counters.mem;
    clear_log();
    ck_status(clmp_enqueue_label_counts(logits, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_assert_msg(strstr(last_log(), "input is logits, this entry takes labels"), "%s", last_log());
    ck_status(clmp_enqueue_loss(labels, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_enqueue_confusion(labels, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    buffers.label_counts.offset = 4;
    ck_status(clmp_enqueue_label_counts(labels, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    buffers.label_counts.offset = 48; /* 12 numbers are left, 9 are needed */
    ck_status(clmp_enqueue_label_counts(labels, queue, &buffers, 0, NULL, NULL), CLMP_BUFFER_TOO_SMALL);
    ck_assert_msg(strstr(last_log(), "label_counts"), "%s", last_log());
    buffers.label_counts.mem = NULL;
    ck_status(clmp_enqueue_label_counts(labels, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    buffers.logits.mem = buffer_of(problem->logits, problem->elements * sizeof(float));
    ck_status(clmp_enqueue_confusion(logits, queue, &buffers, 0, NULL, NULL), CLMP_OK);
    buffers.confusion.offset = 8;
    ck_status(clmp_enqueue_confusion(logits, queue, &buffers, 0, NULL, NULL), CLMP_BUFFER_TOO_SMALL);
    cl_int error = CL_SUCCESS;
    cl_mem written = clCreateBuffer(test_device()->cl, CL_MEM_WRITE_ONLY, 4096, NULL, &error);
    ck_cl(error);
    buffers.label_counts = buffers.confusion = (clmp_buffer){written, 0}; /* kernels add to what is there */
    ck_status(clmp_enqueue_label_counts(labels, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_assert_msg(strstr(last_log(), "to write only, but is read"), "%s", last_log());
    ck_status(clmp_enqueue_confusion(logits, queue, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_cl(clReleaseMemObject(written));
    ck_cl(clFinish(queue));
    ck_cl(clReleaseMemObject(buffers.labels.mem));
    ck_cl(clReleaseMemObject(buffers.logits.mem));
    counters_free(&counters);
    clmp_plan_destroy(labels);
    clmp_plan_destroy(logits);
    problem_free(problem);
}
END_TEST

int main(void) {
    const bool small = test_small();
    Suite *suite = suite_create("counts");
    TCase *tcase = add_case(suite, "host", "full quick small");
    tcase_add_test(tcase, schemes_are_their_definitions);
    tcase_add_test(tcase, no_class_weight_is_infinite);
    tcase_add_test(tcase, bad_class_weights_params_are_refused);
    tcase_add_test(tcase, metrics_are_their_definitions);
    tcase = add_case(suite, "device", "full quick small");
    tcase_add_test(tcase, ties_go_to_the_lowest_class);
    tcase_add_test(tcase, wrong_plans_and_buffers_are_refused);
    tcase_add_loop_test(tcase, label_maps_are_counted_over_calls, 0, small ? 5 : 16);
    tcase_add_loop_test(tcase, predictions_are_counted, 0, small ? 4 : 20);
    tcase_add_loop_test(tcase, predictions_of_interpolated_logits_are_counted, 0, small ? 2 : 8);
    tcase_add_loop_test(tcase, predictions_between_far_logits_are_counted, 0, small ? 1 : 4);
    return test_main(suite);
}
