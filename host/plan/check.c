/* What a plan may be.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/check.h"

#include "plan/reading.h"
#include "plan/tuning.h"

#include <inttypes.h>
#include <math.h>

#define MAX_CLASSES ((uint64_t)1 << 20) /* sums of exponentials stay far from overflow */

static const size_t label_sizes[] = {1, 4, 8, 2}; /* bytes of each clmp_label_type */

#define REFUSE(...) return clmp_fail(log, CLMP_INVALID_ARGUMENT, __VA_ARGS__)

static clmp_status check_class_weights(const float *weights, uint64_t classes, const struct clmp_log *log) {
    bool positive = weights == NULL;
    for (uint64_t c = 0; weights != NULL && c < classes; ++c) {
        if (!(weights[c] >= 0.0f) || isinf(weights[c]))
            REFUSE("class_weights[%" PRIu64 "] is %g, expected a finite number >= 0", c, (double)weights[c]);
        positive = positive || weights[c] > 0.0f;
    }
    if (!positive)
        REFUSE("class_weights are all 0, expected at least one above 0");
    return CLMP_OK;
}

/* Whether means are over class weights, and those are not all 1. */
static bool normalises(const clmp_plan_params *params) {
    return params->normalise == CLMP_NORMALISE_WEIGHTS && params->input == CLMP_INPUT_LOGITS &&
           params->class_weights != NULL;
}

static clmp_status check_weighting(const clmp_plan_params *params, const struct clmp_log *log) {
    if ((int)params->weighting < CLMP_WEIGHTING_LMP || (int)params->weighting > CLMP_WEIGHTING_BALANCED)
        REFUSE("weighting is %d, expected a clmp_weighting", (int)params->weighting);
    if (params->weighting == CLMP_WEIGHTING_OHEM && !(params->ohem_thresh > 0.0 && params->ohem_thresh < 1.0))
        REFUSE("ohem_thresh is %g, expected a probability between 0 and 1", params->ohem_thresh);
    if ((int)params->normalise < CLMP_NORMALISE_COUNT || (int)params->normalise > CLMP_NORMALISE_WEIGHTS)
        REFUSE("normalise is %d, expected a clmp_normalise", (int)params->normalise);
    if (normalises(params) && params->weighting == CLMP_WEIGHTING_LMP)
        REFUSE(
            "normalise is weights, but L of loss max-pooling is a maximum and not a mean; expected count, or another "
            "weighting");
    if (params->weighting != CLMP_WEIGHTING_BALANCED)
        return CLMP_OK;
    if (params->input != CLMP_INPUT_LOGITS)
        REFUSE("weighting balanced needs the pixels' labels, but the plan's input is losses");
    if ((int)params->sampling < CLMP_SAMPLING_EVEN || (int)params->sampling > CLMP_SAMPLING_OVER)
        REFUSE("sampling is %d, expected a clmp_sampling", (int)params->sampling);
    return CLMP_OK;
}

/* a b in *product, or false */
static bool multiply(uint64_t a, uint64_t b, uint64_t most, uint64_t *product) {
    if (b != 0 && a > most / b)
        return false;
    *product = a * b;
    return true;
}

/* The logits' size, where it is not the labels', and the way to read them. */
static clmp_status check_logits_size(struct clmp_plan *plan) {
    clmp_plan_params *params = &plan->params;
    const struct clmp_log *log = &plan->context->log;
    if (params->input != CLMP_INPUT_LOGITS || params->logits_height == 0)
        params->logits_height = params->height;
    if (params->input != CLMP_INPUT_LOGITS || params->logits_width == 0)
        params->logits_width = params->width;
    if (params->logits_height > params->height || params->logits_width > params->width)
        REFUSE("the logits are %" PRIu64 " x %" PRIu64 ", larger than the labels, %" PRIu64 " x %" PRIu64,
               params->logits_height, params->logits_width, params->height, params->width);
    const bool plain = params->logits_height == params->height && params->logits_width == params->width;
    if (params->input == CLMP_INPUT_LOGITS)
        plan->reading = plain ? &clmp_reading_plain : &clmp_reading_interpolated;
    return CLMP_OK;
}

/* A plan that counts labels has a shape and labels: whatever else the caller's parameters say is not looked at. */
static void keep_labels(clmp_plan_params *params) {
    clmp_plan_params kept;
    clmp_plan_params_init(&kept);
    kept.input = params->input;
    kept.images = params->images;
    kept.classes = params->classes;
    kept.height = params->height;
    kept.width = params->width;
    kept.label_type = params->label_type;
    kept.ignore_index = params->ignore_index;
    kept.tuning = params->tuning;
    *params = kept;
}

clmp_status clmp_plan_check(struct clmp_plan *plan) {
    if (plan->params.input == CLMP_INPUT_LABELS)
        keep_labels(&plan->params);
    const clmp_plan_params *params = &plan->params;
    const struct clmp_log *log = &plan->context->log;
    const bool logits = params->input == CLMP_INPUT_LOGITS, labels = params->input != CLMP_INPUT_LOSSES;
    if ((int)params->input < CLMP_INPUT_LOGITS || (int)params->input > CLMP_INPUT_LABELS)
        REFUSE("input is %d, expected a clmp_input", (int)params->input);
    if (params->images == 0 || params->height == 0 || params->width == 0)
        REFUSE("the shape is %" PRIu64 " images of %" PRIu64 " x %" PRIu64 " pixels, expected at least 1 of each",
               params->images, params->height, params->width);
    if (labels && (params->classes == 0 || params->classes > MAX_CLASSES))
        REFUSE("classes is %" PRIu64 ", expected 1 to %" PRIu64, params->classes, MAX_CLASSES);
    if (labels && ((int)params->label_type < CLMP_LABEL_UINT8 || (int)params->label_type > CLMP_LABEL_UINT16))
        REFUSE("label_type is %d, expected a clmp_label_type", (int)params->label_type);
    if (!(params->p >= 1.0)) /* NaN, too */
        REFUSE("p is %g, expected a number from 1 to infinity", params->p);
    if (!(params->support > 0.0 && params->support <= 1.0))
        REFUSE("support is %g, expected a number in (0, 1]", params->support);
    if (params->scope != CLMP_SCOPE_BATCH && params->scope != CLMP_SCOPE_IMAGE)
        REFUSE("scope is %d, expected a clmp_scope", (int)params->scope);
    if (params->solver != CLMP_SOLVER_SEARCH && params->solver != CLMP_SOLVER_SORT)
        REFUSE("solver is %d, expected a clmp_solver", (int)params->solver);
    clmp_status status = check_weighting(params, log);
    if (status == CLMP_OK)
        status = clmp_tuning_check(plan);
    if (status == CLMP_OK && logits)
        status = check_class_weights(params->class_weights, params->classes, log);
    if (status == CLMP_OK)
        status = check_logits_size(plan);
    if (status == CLMP_OK && logits)
        status = clmp_criterion_check(params, log);
    if (status == CLMP_OK && logits)
        status = plan->reading->check(params, log);
    if (status != CLMP_OK)
        return status;

    const uint64_t channels = clmp_is_binary(params) ? params->classes : 1;
    if (!multiply(params->height, params->width, CLMP_MAX_PIXELS, &plan->plane_pixels) ||
        !multiply(channels, plan->plane_pixels, CLMP_MAX_PIXELS, &plan->image_pixels) ||
        !multiply(params->images, plan->image_pixels, CLMP_MAX_PIXELS, &plan->pixels) ||
        !multiply(params->logits_height, params->logits_width, CLMP_MAX_PIXELS, &plan->image_logits))
        return clmp_fail(log, CLMP_SIZE_OVERFLOW,
                         "%" PRIu64 " images of %" PRIu64 " x %" PRIu64 " pixels%s are more than 2^36 pixels",
                         params->images, params->height, params->width, channels > 1 ? " a channel" : "");
    if (logits)
        status = clmp_logits_lay_out(params, log, &plan->logits);
    if (status != CLMP_OK)
        return status;
    plan->planes = params->images * channels;
    plan->label_classes = clmp_is_binary(params) ? 2 : params->classes;
    const bool by_image = params->scope == CLMP_SCOPE_IMAGE || params->input == CLMP_INPUT_LABELS;
    plan->pools = by_image ? params->images : 1;
    plan->pool_pixels = plan->pixels / plan->pools;
    plan->normalised = normalises(params);
    plan->label_size = labels ? label_sizes[params->label_type] : 1;
    return CLMP_OK;
}
