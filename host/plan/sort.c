/* The threshold by sort, at the making of a plan.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/sort.h"

#include "plan/region.h"
#include "plan/wanted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

clmp_status clmp_sort_create(struct clmp_plan *plan) {
    if (plan->params.solver != CLMP_SOLVER_SORT || plan->params.weighting == CLMP_WEIGHTING_BALANCED)
        return CLMP_OK;
    plan->sort = calloc(1, sizeof *plan->sort);
    return plan->sort != NULL ? CLMP_OK : clmp_fail(&plan->context->log, CLMP_OUT_OF_MEMORY, "no memory for a plan");
}

clmp_status clmp_sort_build(struct clmp_plan *plan) {
    static const struct clmp_wanted wanted[] = {{CLMP_KERNEL_SORT_KEYS, "threshold_sort", "clmp_sort_keys"},
                                                {CLMP_KERNEL_SORT_COUNT, "threshold_sort", "clmp_sort_count"},
                                                {CLMP_KERNEL_SORT_SCAN, "threshold_sort", "clmp_sort_scan"},
                                                {CLMP_KERNEL_SORT_SCATTER, "threshold_sort", "clmp_sort_scatter"},
                                                {CLMP_KERNEL_SORT_SUMS, "threshold_sort", "clmp_sort_sums"},
                                                {CLMP_KERNEL_SORT_BINS, "threshold_sort", "clmp_sort_bins"}};
    char macros[96];
    snprintf(macros, sizeof macros, " -DCLMP_GROUP=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32, plan->tuning.group_size,
             plan->tuning.bin_group);
    return clmp_wanted_make(plan, wanted, sizeof wanted / sizeof wanted[0], macros);
}

bool clmp_sort_lay_out(struct clmp_plan *plan) {
    struct clmp_sort *sort = plan->sort;
    size_t *end = &plan->layout.size;
    const uint64_t pools = plan->pools, digits = pools * CLMP_DIGITS;
    const uint64_t blocks = plan->pool_pixels / CLMP_SORT_BLOCK, pieces = plan->pool_pixels / CLMP_SORT_PIECE;
    return clmp_plan_take(end, plan->pixels, sizeof(cl_uint), &sort->keys[0]) &&
           clmp_plan_take(end, plan->pixels, sizeof(cl_uint), &sort->keys[1]) &&
           clmp_plan_take(end, digits * plan->tuning.chunks, sizeof(cl_ulong), &sort->counters) &&
           clmp_plan_take(end, digits, sizeof(cl_ulong), &sort->totals) &&
           clmp_plan_take(end, pools * blocks, 2 * sizeof(cl_ulong), &sort->blocks) &&
           clmp_plan_take(end, pools * pieces, 2 * sizeof(cl_ulong), &sort->pieces);
}
