/*
 * The parts of both references for problems whose logits are smaller than their labels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TESTS_REFERENCE_UPSAMPLE_H
#define CLMP_TESTS_REFERENCE_UPSAMPLE_H

#include "reference.h"

/* Whether logits are interpolated, and their size; with logits_height or _width 0, the labels' one. */
bool reference_upsampled(const clmp_plan_params *params);
uint64_t reference_logits_height(const clmp_plan_params *params);
uint64_t reference_logits_width(const clmp_plan_params *params);

/* A pixel of an axis: `part` / `whole` of the way from logit `before` to logit `after` (equal at borders), in `cell`.
 */
struct reference_place {
    int64_t cell, part, whole;
    uint64_t before, after;
};
struct reference_place reference_place(uint64_t logits, uint64_t pixels, bool align_corners, uint64_t pixel);

/* In the library's arithmetic: what a pixel's loss is multiplied by; and of a focal loss, the loss and F of
 * criterion.clh from the exponentials and the cross-entropy. */
float bits_label_weight(const struct reference_input *in, uint64_t pixel, int64_t label);
bool bits_focal(const clmp_plan_params *params);
float bits_focal_loss(const clmp_plan_params *params, float others, float label_exp, float cross_entropy);
float bits_focal_slope(const clmp_plan_params *params, float others, float label_exp, float cross_entropy);

/* In the library's arithmetic.  Losses or marks (negative) of all pixels, and the gradient, of the logits' shape, with
 * the pixels' weights, each pool's tau, and the share of an image in the loss. */
void upsample_bits_losses(const struct reference_input *in, bool weighted, float *losses);
void upsample_bits_gradient(const struct reference_input *in, const float *losses, const float *weights,
                            const float *taus, float share, float *gradient);

/* In long double.  The C logits of one pixel; and the adjoint: adds C numbers of a pixel to `logits`, (N, C, h, w). */
void upsample_exact_logits(const struct reference_input *in, uint64_t pixel, long double *x);
/* The same, less the largest of them, from integers: right to the last bit also where long double cancels. */
void upsample_exact_relative(const struct reference_input *in, uint64_t pixel, long double *x);
void upsample_exact_adjoint(const clmp_plan_params *params, uint64_t pixel, const long double *g, long double *logits);

#endif
