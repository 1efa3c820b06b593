/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/criterion.h"

#include "plan/logits.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of a focal loss: below the least, a power is no different from 1; above the most, errors grow beyond the bounds. */
#define GAMMA_LEAST 0x1p-10
#define GAMMA_MOST 8.0

#define REFUSE(...) return clmp_fail(log, CLMP_INVALID_ARGUMENT, __VA_ARGS__)

static bool is_focal(const clmp_plan_params *params) {
    return params->loss == CLMP_LOSS_FOCAL || params->loss == CLMP_LOSS_BINARY_FOCAL;
}

static bool has_alpha(const clmp_plan_params *params) {
    return is_focal(params) && params->focal_alpha >= 0.0;
}

clmp_status clmp_criterion_check(const clmp_plan_params *params, const struct clmp_log *log) {
    const bool binary = clmp_is_binary(params);
    const double smoothing = params->label_smoothing, gamma = params->focal_gamma, alpha = params->focal_alpha;
    if ((int)params->loss < CLMP_LOSS_CROSS_ENTROPY || (int)params->loss > CLMP_LOSS_BINARY_FOCAL)
        REFUSE("loss is %d, expected a clmp_loss", (int)params->loss);
    if (!(smoothing >= 0.0 && smoothing < 1.0))
        REFUSE("label_smoothing is %g, expected a number in [0, 1)", smoothing);
    if (is_focal(params)) {
        if (smoothing > 0.0)
            REFUSE("label_smoothing is %g, but focal losses have none; expected 0", smoothing);
        if (gamma != 0.0 && !(gamma >= GAMMA_LEAST && gamma <= GAMMA_MOST))
            REFUSE("focal_gamma is %g, expected 0, or a number from 2^-10 to 8", gamma);
        if (!(alpha == -1.0 || (alpha > 0.0 && alpha <= 1.0)))
            REFUSE("focal_alpha is %g, expected a number in (0, 1], or -1 for none", alpha);
        if (binary && alpha == 1.0)
            REFUSE("focal_alpha is 1, which gives label 0 no weight; expected a number in (0, 1), or -1 for none");
    }
    if (params->weighting == CLMP_WEIGHTING_OHEM && (is_focal(params) || smoothing > 0.0))
        REFUSE("weighting ohem takes exp(-loss) as the probability of the label, which is wrong with %s",
               is_focal(params) ? "a focal loss" : "label_smoothing");
    return CLMP_OK;
}

bool clmp_criterion_weighs(const clmp_plan_params *params) {
    return params->input == CLMP_INPUT_LOGITS && (params->class_weights != NULL || has_alpha(params));
}

/* A device may take a subnormal number for 0, so all do. */
static float rounded(double value) {
    return value < 0x1p-126 ? 0.0f : (float)value;
}

void clmp_criterion_weights(const clmp_plan_params *params, float *weights) {
    const bool binary = clmp_is_binary(params);
    const double alpha = has_alpha(params) ? params->focal_alpha : 1.0;
    for (uint64_t c = 0; c < params->classes; ++c) {
        const double weight = params->class_weights != NULL ? (double)params->class_weights[c] : 1.0;
        if (!binary) {
            weights[c] = rounded(weight * alpha);
            continue;
        }
        weights[2 * c] = rounded(weight * (has_alpha(params) ? 1.0 - alpha : 1.0));
        weights[2 * c + 1] = rounded(weight * alpha);
    }
}

/* A float32 in a macro is its bits: a decimal point is the locale's. */
static uint32_t bits_of(double value) {
    const float number = rounded(value < (double)FLT_MAX ? value : (double)FLT_MAX);
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

void clmp_criterion_macros(const clmp_plan_params *params, char text[CLMP_CRITERION_MACROS]) {
    text[0] = '\0';
    if (params->input != CLMP_INPUT_LOGITS) /* what it would look at was not checked */
        return;
    if (is_focal(params) && params->focal_gamma > 0.0)
        snprintf(text, CLMP_CRITERION_MACROS, " -DCLMP_FOCAL_GAMMA_BITS=0x%08" PRIx32 "u",
                 bits_of(params->focal_gamma));
    if (params->label_smoothing == 0.0)
        return;
    const double share = params->label_smoothing / (double)(clmp_is_binary(params) ? 2 : params->classes);
    double total = params->label_smoothing;
    if (params->class_weights != NULL && !clmp_is_binary(params)) {
        total = 0.0;
        for (uint64_t c = 0; c < params->classes; ++c)
            total += (double)params->class_weights[c];
        total *= share;
    }
    snprintf(text, CLMP_CRITERION_MACROS,
             " -DCLMP_SMOOTH_HARD_BITS=0x%08" PRIx32 "u -DCLMP_SMOOTH_SHARE_BITS=0x%08" PRIx32
             "u -DCLMP_SMOOTH_TOTAL_BITS=0x%08" PRIx32 "u",
             bits_of(1.0 - params->label_smoothing), bits_of(share), bits_of(total));
}
