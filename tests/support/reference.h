/*
 * The two references that every device is held to.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   reference_bits   the library's own arithmetic in plain C: a device gives the same bits, or the test fails
 *   reference_exact  the definition in long double (sort, then the equations): bounds the error of both
 *
 * Both take a problem as a plan does, on host arrays, and allocate what they need themselves.
 */
#ifndef CLMP_TESTS_REFERENCE_H
#define CLMP_TESTS_REFERENCE_H

#include "clmp/clmp.h"

struct reference_input {
    clmp_plan_params params; /* solver and tuning are not looked at */
    const float *logits;     /* (N, C, H, W), or (N, C, h, w); CLMP_INPUT_LOGITS only.  How they are stored is not
                                looked at */
    const void *labels;      /* params.label_type (N, H, W); CLMP_INPUT_LOGITS only, but see reference_exact() */
    const float *losses;     /* (N, H, W); CLMP_INPUT_LOSSES only */
    const float *criterion;  /* reference_exact(), weighting ohem of losses: those before class weights; NULL: the same
                              */
    float gradient_scale;
    uint64_t step; /* CLMP_WEIGHTING_BALANCED only */
};

/* Where results go, laid out as in clmp_buffers; NULL where not wanted. */
struct bits_output {
    float *losses;
    float *weights;
    float *gradient;
    clmp_result *result; /* 1 record, or 1 + N with scope image */
};

/* Parts of the library that are hidden in it: kernels/draw.clh, host/plan/problem.c. */
uint64_t reference_philox(uint64_t seed, uint64_t step, uint64_t index);
double reference_minus_log(double x);

void reference_bits(const struct reference_input *in, const struct bits_output *out);

/* What reference_bits() takes for (l / u)^q of a loss l of a pool of `pixels`, as a key; u = key | tops. */
double reference_power(double p, uint32_t key, uint32_t tops, uint64_t pixels);

struct exact_result {
    long double loss, alpha, tau;
    uint64_t support, valid, ignored, invalid_labels, nonfinite, pixels;
};

struct exact_output {
    long double *losses;
    long double *weights;
    long double *gradient;
    struct exact_result *result;
};

/* With CLMP_INPUT_LOSSES too, weighting balanced reads labels and params.classes: of losses >= 0, labels are classes.
 */
void reference_exact(const struct reference_input *in, const struct exact_output *out);

/* The gradient, of the logits' shape, of the sum of weight times loss: `weights` (N, H, W). */
void reference_exact_gradient(const struct reference_input *in, const long double *weights, long double *gradient);

/* Whether each channel is a binary problem of its own; then a `pixel` is one of a channel, (N, C, H, W). */
bool reference_binary(const clmp_plan_params *params);
/* H W, or C H W; and C, or 2. */
uint64_t reference_image_pixels(const clmp_plan_params *params);
uint64_t reference_label_classes(const clmp_plan_params *params);

/* The class weight of a pixel with that label, times a focal loss's alpha. */
long double reference_label_weight(const struct reference_input *in, uint64_t pixel, int64_t label);

/* Whether a pixel takes part, by the definition. */
bool reference_valid(const struct reference_input *in, uint64_t pixel);

#endif
