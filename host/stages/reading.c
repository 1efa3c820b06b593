/* Stages that read logits, in the plan's way.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/reading.h"

#include "stages/stages.h"

static const struct {
    clmp_status (*loss)(struct clmp_step *step);
    clmp_status (*gradient)(struct clmp_step *step);
    clmp_status (*confusion)(struct clmp_step *step);
} ways[CLMP_READING_COUNT] = {
    [CLMP_READING_PLAIN] = {clmp_plain_loss, clmp_plain_gradient, clmp_plain_confusion},
    [CLMP_READING_INTERPOLATED] = {clmp_upsample_loss, clmp_upsample_gradient, clmp_upsample_confusion},
};

clmp_status clmp_stage_loss(struct clmp_step *step) {
    return ways[step->plan->reading->id].loss(step);
}

clmp_status clmp_stage_gradient(struct clmp_step *step) {
    return ways[step->plan->reading->id].gradient(step);
}

clmp_status clmp_count_confusion(struct clmp_step *step) {
    return ways[step->plan->reading->id].confusion(step);
}
