/*
 * Problems for tests: arrays, and what they may hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(uint64_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

size_t label_size(clmp_label_type type) {
    static const size_t sizes[] = {1, 4, 8, 2};
    return sizes[type];
}

static struct problem *problem_new(uint64_t images, uint64_t height, uint64_t width) {
    struct problem *problem = allocate(1, sizeof *problem);
    clmp_plan_params *params = &problem->in.params;
    clmp_plan_params_init(params);
    params->images = images;
    params->height = height;
    params->width = width;
    problem->pixels = images * height * width;
    problem->in.gradient_scale = 1.0f;
    return problem;
}

struct problem *problem_of_losses(uint64_t images, uint64_t height, uint64_t width) {
    struct problem *problem = problem_new(images, height, width);
    problem->in.params.input = CLMP_INPUT_LOSSES;
    problem->losses = allocate(problem->pixels, sizeof *problem->losses);
    problem->in.losses = problem->losses;
    return problem;
}

struct problem *problem_of_logits(uint64_t images, uint64_t classes, uint64_t height, uint64_t width,
                                  clmp_label_type type) {
    struct problem *problem = problem_upsampled(images, classes, height, width, height, width, type);
    problem->in.params.logits_height = problem->in.params.logits_width = 0;
    return problem;
}

struct problem *problem_upsampled(uint64_t images, uint64_t classes, uint64_t logits_height, uint64_t logits_width,
                                  uint64_t height, uint64_t width, clmp_label_type type) {
    struct problem *problem = problem_new(images, height, width);
    problem->in.params.logits_height = logits_height;
    problem->in.params.logits_width = logits_width;
    problem->in.params.classes = classes;
    problem->in.params.label_type = type;
    problem->elements = images * classes * logits_height * logits_width;
    problem->logits = allocate(problem->elements, sizeof *problem->logits);
    problem->labels = allocate(problem->pixels, label_size(type));
    problem->class_weights = allocate(classes, sizeof *problem->class_weights);
    for (uint64_t c = 0; c < classes; c++)
        problem->class_weights[c] = 1.0f;
    problem->in.logits = problem->logits;
    problem->in.labels = problem->labels;
    return problem;
}

struct problem *problem_of_binary(uint64_t images, uint64_t channels, uint64_t height, uint64_t width,
                                  clmp_label_type type) {
    struct problem *problem = problem_of_logits(images, channels, height, width, type);
    problem->in.params.loss = CLMP_LOSS_BINARY_CROSS_ENTROPY;
    problem->pixels = problem->elements;
    free(problem->labels);
    problem->in.labels = problem->labels = allocate(problem->pixels, label_size(type));
    return problem;
}

void problem_free(struct problem *problem) {
    free(problem->logits);
    free(problem->labels);
    free(problem->losses);
    free(problem->class_weights);
    free(problem);
}

void set_label(struct problem *problem, uint64_t pixel, int64_t label) {
    switch (problem->in.params.label_type) {
    case CLMP_LABEL_UINT8:
        ((uint8_t *)problem->labels)[pixel] = (uint8_t)label;
        break;
    case CLMP_LABEL_UINT16:
        ((uint16_t *)problem->labels)[pixel] = (uint16_t)label;
        break;
    case CLMP_LABEL_INT32:
        ((int32_t *)problem->labels)[pixel] = (int32_t)label;
        break;
    default:
        ((int64_t *)problem->labels)[pixel] = label;
    }
}

int64_t get_label(const struct problem *problem, uint64_t pixel) {
    switch (problem->in.params.label_type) {
    case CLMP_LABEL_UINT8:
        return ((const uint8_t *)problem->labels)[pixel];
    case CLMP_LABEL_UINT16:
        return ((const uint16_t *)problem->labels)[pixel];
    case CLMP_LABEL_INT32:
        return ((const int32_t *)problem->labels)[pixel];
    default:
        return ((const int64_t *)problem->labels)[pixel];
    }
}

float *logit_of(struct problem *problem, uint64_t pixel, uint64_t class_index) {
    uint64_t area = reference_logits_height(&problem->in.params) * reference_logits_width(&problem->in.params);
    return &problem->logits[(pixel / area * problem->in.params.classes + class_index) * area + pixel % area];
}

/* ------------------------------------------------------------------------------------------------------------ losses
 */

const char *losses_kind_name(enum losses_kind kind) {
    static const char *const names[] = {"log-normal", "uniform", "ties", "zeros", "equal",
                                        "close",      "edges",   "tiny", "huge",  "unclean"};
    return names[kind];
}

static float log_normal(struct rng *rng) {
    return (float)exp(3.0 * rng_normal(rng) - 2.0);
}

static float unclean(struct rng *rng) {
    switch (rng_below(rng, 12)) {
    case 0:
        return NAN;
    case 1:
        return -NAN;
    case 2:
        return INFINITY;
    case 3:
        return -INFINITY;
    case 4:
        return -1.0f;
    case 5:
        return -0.0f;
    case 6:
        return FLT_MIN / 2.0f;
    case 7:
        return -FLT_MIN / 4.0f;
    default:
        return log_normal(rng);
    }
}

static float one_loss(enum losses_kind kind, struct rng *rng) {
    switch (kind) {
    case LOSSES_UNIFORM:
        return (float)rng_uniform(rng);
    case LOSSES_TIES:
        return 0.375f * (float)(1 + rng_below(rng, 5));
    case LOSSES_ZEROS:
        return rng_below(rng, 3) == 0 ? 0.0f : log_normal(rng);
    case LOSSES_EQUAL:
        return 0.7f;
    case LOSSES_CLOSE:
        return 1.0f + (float)rng_below(rng, 300) * FLT_EPSILON;
    case LOSSES_EDGES: {
        float edge = ldexpf(1.0f + (float)rng_below(rng, 8) / 8.0f, (int)rng_below(rng, 9) - 4);
        uint64_t side = rng_below(rng, 3);
        return side == 0 ? nextafterf(edge, 0.0f) : side == 1 ? nextafterf(edge, 100.0f) : edge;
    }
    case LOSSES_TINY:
        return FLT_MIN * (1.0f + 100.0f * (float)(rng_uniform(rng) * rng_uniform(rng)));
    case LOSSES_HUGE:
        return rng_below(rng, 4) == 0 ? FLT_MAX : FLT_MAX * (float)rng_uniform(rng);
    case LOSSES_UNCLEAN:
        return unclean(rng);
    default:
        return log_normal(rng);
    }
}

void fill_losses(struct problem *problem, enum losses_kind kind, struct rng *rng) {
    for (uint64_t i = 0; i < problem->pixels; i++)
        problem->losses[i] = one_loss(kind, rng);
}

/* ------------------------------------------------------------------------------------------------------------ logits
 */

/* A margin of a pixel that is right: it brings losses down to some 1e-25. */
static float margin(struct rng *rng) {
    return (float)(4.0 + 50.0 * rng_uniform(rng) * rng_uniform(rng));
}

/* The logit pixel that a pixel lies nearest to, about. */
static uint64_t logit_pixel(const struct problem *problem, uint64_t pixel) {
    const clmp_plan_params *p = &problem->in.params;
    uint64_t area = p->height * p->width, y = pixel % area / p->width, x = pixel % p->width;
    return (pixel / area * p->logits_height + y * p->logits_height / p->height) * p->logits_width +
           x * p->logits_width / p->width;
}

void fill_logits_upsampled(struct problem *problem, struct rng *rng) {
    uint64_t classes = problem->in.params.classes, logits = problem->elements / classes;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = (float)(2.0 * rng_normal(rng));
    for (uint64_t i = 0; i < logits; i++)
        if (rng_below(rng, 10) != 0)
            *logit_of(problem, i, rng_below(rng, classes)) += margin(rng);
    for (uint64_t i = 0; i < problem->pixels; i++) { /* mostly what the nearest logits say */
        uint64_t label = rng_below(rng, classes < 256 ? classes : 256), near = logit_pixel(problem, i);
        for (uint64_t c = 0; c < classes && c < 256 && rng_below(rng, 10 * classes) != 0; c++)
            if (*logit_of(problem, near, c) > *logit_of(problem, near, label))
                label = c;
        set_label(problem, i, (int64_t)label);
    }
}

static void fill_logits_binary(struct problem *problem, struct rng *rng) {
    for (uint64_t i = 0; i < problem->elements; i++) {
        uint64_t label = rng_below(rng, 2);
        float side = label == 1 ? 1.0f : -1.0f;
        set_label(problem, i, (int64_t)label);
        problem->logits[i] = (float)(2.0 * rng_normal(rng)) + (rng_below(rng, 10) != 0 ? side * margin(rng) : 0.0f);
    }
}

void fill_logits(struct problem *problem, struct rng *rng) {
    uint64_t classes = problem->in.params.classes;
    if (reference_binary(&problem->in.params)) {
        fill_logits_binary(problem, rng);
        return;
    }
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = (float)(2.0 * rng_normal(rng));
    for (uint64_t i = 0; i < problem->pixels; i++) {
        uint64_t label = rng_below(rng, classes < 256 ? classes : 256);
        set_label(problem, i, (int64_t)label);
        if (rng_below(rng, 10) != 0)
            *logit_of(problem, i, label) += margin(rng);
    }
}

void spoil(struct problem *problem, struct rng *rng) {
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    const clmp_plan_params *params = &problem->in.params;
    bool wide = params->label_type == CLMP_LABEL_INT32 || params->label_type == CLMP_LABEL_INT64;
    for (uint64_t i = 0; i < problem->pixels; i++)
        switch (rng_below(rng, 20)) {
        case 0:
        case 1:
            set_label(problem, i, params->ignore_index);
            break;
        case 2: /* just past the end, or below the start where the type has a sign */
            set_label(problem, i, wide && rng_below(rng, 2) ? -1 : (int64_t)reference_label_classes(params));
            break;
        case 3:
        case 4:
            if (reference_binary(params))
                problem->logits[i] = bad[rng_below(rng, 4)];
            else if (i < problem->elements / params->classes)
                *logit_of(problem, i, rng_below(rng, params->classes)) = bad[rng_below(rng, 4)];
            break;
        default:
            break;
        }
}

/* --------------------------------------------------------------------------------------------------------- in words */

const char *describe(const struct problem *problem) {
    static char text[1024];
    const clmp_plan_params *p = &problem->in.params;
    static const char *const weightings[] = {"lmp", "uniform", "topk", "ohem", "balanced"};
    static const char *const losses[] = {"cross-entropy", "focal", "bce", "binary focal"};
    snprintf(text, sizeof text,
             "%s loss=%s label_smoothing=%g gamma=%g alpha=%g logits_type=%d layout=%d row_pitch=%llu weighting=%s "
             "normalise=%d topk_count=%llu ohem_thresh=%.17g ohem_min_kept=%llu sampling=%d step=%llu N=%llu C=%llu "
             "h=%llu w=%llu H=%llu W=%llu align_corners=%d label_type=%d ignore_index=%lld class_weights=%s p=%.17g "
             "support=%.17g scope=%s gradient_scale=%.9g seed=%llu",
             p->input == CLMP_INPUT_LOSSES ? "losses" : "logits", losses[p->loss], p->label_smoothing, p->focal_gamma,
             p->focal_alpha, (int)p->logits_type, (int)p->logits_layout, (unsigned long long)p->logits_row_pitch,
             weightings[p->weighting], (int)p->normalise, (unsigned long long)p->topk_count, p->ohem_thresh,
             (unsigned long long)p->ohem_min_kept, (int)p->sampling, (unsigned long long)problem->in.step,
             (unsigned long long)p->images, (unsigned long long)p->classes, (unsigned long long)p->logits_height,
             (unsigned long long)p->logits_width, (unsigned long long)p->height, (unsigned long long)p->width,
             (int)p->align_corners, (int)p->label_type, (long long)p->ignore_index, p->class_weights ? "yes" : "no",
             p->p, p->support, p->scope == CLMP_SCOPE_IMAGE ? "image" : "batch", (double)problem->in.gradient_scale,
             (unsigned long long)test_seed());
    return text;
}
