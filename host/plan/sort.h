/* What a threshold by sort needs of a plan.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_SORT_H
#define CLMP_PLAN_SORT_H

#include "plan/plan.h"

/* A plan's part: where records lie in the workspace, in bytes from its start; kernels/threshold_sort.cl says what they
 * are. */
struct clmp_sort {
    size_t keys[2], counters, totals, blocks, pieces;
};

/* plan->sort, where the plan sorts; to be freed.  Errors: OUT_OF_MEMORY. */
clmp_status clmp_sort_create(struct clmp_plan *plan);
/* Its kernels, and its part of the workspace: false where the sizes overflow. */
clmp_status clmp_sort_build(struct clmp_plan *plan);
bool clmp_sort_lay_out(struct clmp_plan *plan);

#endif
