/* Weights that come of draws, at the making of a plan.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/draws.h"

#include "plan/region.h"
#include "plan/wanted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_DRAWS ((uint64_t)1 << 39) /* sums of 24-bit mantissas times draws fit into 64 bits */

static bool is_balanced(const struct clmp_plan *plan) {
    return plan->params.weighting == CLMP_WEIGHTING_BALANCED;
}

/* At most, but for the chances of one more. */
clmp_status clmp_draws_check(const struct clmp_plan *plan, uint64_t pixels) {
    const uint64_t classes = plan->label_classes;
    if (is_balanced(plan) && plan->params.sampling == CLMP_SAMPLING_OVER &&
        (classes < pixels ? classes : pixels) > MAX_DRAWS / pixels)
        return clmp_fail(&plan->context->log, CLMP_SIZE_OVERFLOW,
                         "sampling over of %" PRIu64 " classes in pools of %" PRIu64
                         " pixels may be more than 2^39 draws",
                         classes, pixels);
    return CLMP_OK;
}

clmp_status clmp_draws_create(struct clmp_plan *plan) {
    const clmp_plan_params *params = &plan->params;
    const bool hard = params->weighting == CLMP_WEIGHTING_OHEM && params->input == CLMP_INPUT_LOGITS;
    if (!is_balanced(plan) && !(hard && params->class_weights != NULL))
        return CLMP_OK;
    const clmp_status status = clmp_draws_check(plan, plan->pool_pixels);
    if (status != CLMP_OK)
        return status;
    plan->draws = calloc(1, sizeof *plan->draws);
    return plan->draws != NULL ? CLMP_OK : clmp_fail(&plan->context->log, CLMP_OUT_OF_MEMORY, "no memory for a plan");
}

clmp_status clmp_draws_build(struct clmp_plan *plan) {
    static const struct clmp_wanted balanced[] = {{CLMP_KERNEL_COUNT_LABELS, "count_labels", "clmp_count_labels"},
                                                  {CLMP_KERNEL_DRAW_SHARES, "threshold_draw", "clmp_draw_shares"}};
    static const struct clmp_wanted drawn[] = {{CLMP_KERNEL_DRAW_PIXELS, "threshold_draw", "clmp_draw_pixels"},
                                               {CLMP_KERNEL_DRAW_RESULT, "threshold_draw", "clmp_draw_result"}};
    char logits[CLMP_LOGITS_MACROS], macros[512];
    clmp_logits_macros(&plan->params, &plan->logits, logits);
    snprintf(macros, sizeof macros,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s%s -DCLMP_BIN_GROUP=%" PRIu32
             " -DCLMP_MARKED=1 -DCLMP_DRAW_HARD=%d",
             plan->tuning.group_size, plan->label_classes, clmp_label_type_name(plan->params.label_type), logits,
             plan->tuning.bin_group, plan->params.weighting == CLMP_WEIGHTING_OHEM);
    const clmp_status status =
        is_balanced(plan) ? clmp_wanted_make(plan, balanced, sizeof balanced / sizeof balanced[0], macros) : CLMP_OK;
    return status == CLMP_OK ? clmp_wanted_make(plan, drawn, sizeof drawn / sizeof drawn[0], macros) : status;
}

bool clmp_draws_lay_out(struct clmp_plan *plan) {
    struct clmp_draws *draws = plan->draws;
    size_t *end = &plan->layout.size;
    const uint64_t pools = plan->pools, classes = plan->label_classes;
    if (is_balanced(plan) &&
        !(clmp_plan_take(end, pools * CLMP_COUNTS(classes), sizeof(cl_ulong), &plan->layout.counts) &&
          clmp_plan_take(end, pools * classes, sizeof(clmp_share), &draws->shares)))
        return false;
    return clmp_plan_take(end, pools, sizeof(clmp_draw), &draws->records) &&
           clmp_plan_take(end, plan->pixels, sizeof(float), &draws->plane);
}
