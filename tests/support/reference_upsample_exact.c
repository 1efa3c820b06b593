/*
 * Interpolated logits in long double, and the interpolation's adjoint: the definition, with weights as exact ratios.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"

/* The four logits around a pixel, of class 0, and their weights. */
struct corners {
    uint64_t at[4];
    long double weight[4];
    uint64_t stride; /* of classes */
};

static struct corners corners_of(const clmp_plan_params *params, uint64_t pixel) {
    uint64_t height = reference_logits_height(params), width = reference_logits_width(params);
    uint64_t area = params->height * params->width, image = pixel / area;
    struct reference_place row =
        reference_place(height, params->height, params->align_corners, pixel % area / params->width);
    struct reference_place column = reference_place(width, params->width, params->align_corners, pixel % params->width);
    long double below = (long double)row.part / (long double)row.whole;
    long double after = (long double)column.part / (long double)column.whole;
    uint64_t corner = image * params->classes * height * width;
    return (struct corners){
        .at = {corner + row.before * width + column.before, corner + row.before * width + column.after,
               corner + row.after * width + column.before, corner + row.after * width + column.after},
        .weight = {(1.0L - below) * (1.0L - after), (1.0L - below) * after, below * (1.0L - after), below * after},
        .stride = height * width};
}

void upsample_exact_logits(const struct reference_input *in, uint64_t pixel, long double *x) {
    struct corners corners = corners_of(&in->params, pixel);
    for (uint64_t c = 0; c < in->params.classes; c++) {
        x[c] = 0.0L;
        for (int k = 0; k < 4; k++)
            if (corners.weight[k] > 0.0L) /* a logit of weight 0 is not looked at */
                x[c] += corners.weight[k] * (long double)in->logits[corners.at[k] + c * corners.stride];
    }
}

void upsample_exact_adjoint(const clmp_plan_params *params, uint64_t pixel, const long double *g, long double *logits) {
    struct corners corners = corners_of(params, pixel);
    for (uint64_t c = 0; c < params->classes; c++)
        for (int k = 0; k < 4; k++)
            logits[corners.at[k] + c * corners.stride] += corners.weight[k] * g[c];
}
