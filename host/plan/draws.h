/* What weights that come of draws need of a plan.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_DRAWS_H
#define CLMP_PLAN_DRAWS_H

#include "plan/plan.h"

/* A plan's part: where records lie in the workspace, in bytes from its start; kernels/threshold_draw.cl says what they
 * are. */
struct clmp_draws {
    size_t shares; /* of labels, which balanced plans count */
    size_t records;
    size_t plane; /* the losses of what is drawn */
};

/* plan->draws, where weights are those of a plane of draws; to be freed.  While the plan has its class weights.
 * Errors: SIZE_OVERFLOW, OUT_OF_MEMORY. */
clmp_status clmp_draws_create(struct clmp_plan *plan);
/* Whether pools of so many pixels leave room for the sums over draws.  Errors: SIZE_OVERFLOW. */
clmp_status clmp_draws_check(const struct clmp_plan *plan, uint64_t pool_pixels);
/* Its kernels, and its part of the workspace: false where the sizes overflow. */
clmp_status clmp_draws_build(struct clmp_plan *plan);
bool clmp_draws_lay_out(struct clmp_plan *plan);

/* Where the plane lies from which the weights follow; CLMP_INPUT_LOGITS only. */
static inline size_t clmp_plan_weighed_plane(const clmp_plan *plan) {
    return plan->draws != NULL ? plan->draws->plane : plan->layout.plane;
}

#endif
