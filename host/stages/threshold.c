/* Stage threshold: kernels/threshold_select.cl, on bins from one of two solvers.  SPDX-License-Identifier: Apache-2.0
 */
#include "plan/whole.h"
#include "stages/ranks.h"
#include "stages/stages.h"

/* Sets of bins of a pool that a round fills, and where they begin. */
static uint32_t sets_filled(const clmp_plan *plan) {
    return plan->params.solver == CLMP_SOLVER_SEARCH ? plan->tuning.bin_sets : 1;
}

static size_t sets_at(const clmp_plan *plan, uint32_t round) {
    return plan->params.solver == CLMP_SOLVER_SEARCH ? clmp_search_sets(plan, round) : plan->layout.sets;
}

static clmp_status select_bins(struct clmp_step *step, uint32_t round) {
    const clmp_plan *plan = step->plan;
    const bool by_image = plan->params.scope == CLMP_SCOPE_IMAGE;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_SELECT);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, sets_at(plan, round));
    /* the first has the sum of all sets, where that was summed over ranks */
    clmp_argument_uint(&arguments, clmp_whole_shares_pools(plan) ? 1 : sets_filled(plan));
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_offset(&arguments, step, plan->layout.terms);
    clmp_argument_offset(&arguments, step, plan->layout.trees);
    clmp_argument_mem(&arguments, plan->problem);
    clmp_argument_mem(&arguments, step->buffers->result.mem);
    /* record 0 is the total, where there are several */
    clmp_argument_ulong(&arguments, step->buffers->result.offset + (by_image ? sizeof(clmp_result) : 0));
    clmp_argument_ulong(&arguments, clmp_whole_pool_pixels(plan));
    clmp_argument_uint(&arguments, round);
    return clmp_launch(step, &arguments, plan->tuning.group_size, plan->pools, plan->tuning.group_size);
}

static clmp_status total(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_TOTAL);
    clmp_argument_ulong(&arguments, plan->pools);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_mem(&arguments, step->buffers->result.mem);
    clmp_argument_ulong(&arguments, step->buffers->result.offset);
    return clmp_launch(step, &arguments, 1, 1, 1);
}

/* The rounds that a weighting needs: with a threshold below every loss, one for the counts and the sum. */
static uint32_t rounds_of(const clmp_plan *plan) {
    return plan->params.weighting == CLMP_WEIGHTING_UNIFORM ? 1 : CLMP_ROUNDS;
}

static clmp_status search_threshold(struct clmp_step *step, clmp_status status) {
    const clmp_plan *plan = step->plan;
    const bool by_search = plan->params.solver == CLMP_SOLVER_SEARCH;
    if (status == CLMP_OK)
        status = by_search ? clmp_search_begin(step) : clmp_sort_begin(step);
    for (uint32_t round = 1; round <= rounds_of(plan); ++round) {
        if (status == CLMP_OK)
            status = by_search ? clmp_search_fill(step, round) : clmp_sort_fill(step, round);
        status = clmp_ranks_add(step, status, sets_at(plan, round), sets_filled(plan),
                                CLMP_BINS * sizeof(clmp_bin) / sizeof(cl_ulong));
        if (status == CLMP_OK)
            status = select_bins(step, round);
    }
    return status;
}

clmp_status clmp_stage_threshold(struct clmp_step *step, clmp_status status) {
    const clmp_plan *plan = step->plan;
    if (plan->params.weighting != CLMP_WEIGHTING_BALANCED)
        status = search_threshold(step, status);
    if (plan->draws != NULL)
        status = clmp_stage_draw(step, status);
    if (plan->normalised)
        status = clmp_stage_normalise(step, status);
    if (plan->params.scope != CLMP_SCOPE_IMAGE)
        return status;
    if (status == CLMP_OK)
        status = total(step);
    return clmp_ranks_total(step, status);
}
