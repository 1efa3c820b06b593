/* Stage threshold: kernels/threshold_select.cl, on bins from one of two solvers.  SPDX-License-Identifier: Apache-2.0
 */
#include "stages/stages.h"

static clmp_status select_bins(struct clmp_step *step, uint32_t round) {
    const clmp_plan *plan = step->plan;
    const bool by_search = plan->params.solver == CLMP_SOLVER_SEARCH;
    const bool by_image = plan->params.scope == CLMP_SCOPE_IMAGE;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_SELECT);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, by_search ? clmp_search_sets(plan, round) : plan->layout.sets);
    clmp_argument_uint(&arguments, by_search ? plan->tuning.bin_sets : 1);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_offset(&arguments, step, plan->layout.terms);
    clmp_argument_offset(&arguments, step, plan->layout.trees);
    clmp_argument_mem(&arguments, plan->problem);
    clmp_argument_mem(&arguments, step->buffers->result.mem);
    /* record 0 is the total, where there are several */
    clmp_argument_ulong(&arguments, step->buffers->result.offset + (by_image ? sizeof(clmp_result) : 0));
    clmp_argument_ulong(&arguments, plan->pool_pixels);
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

static clmp_status search_threshold(struct clmp_step *step) {
    const bool by_search = step->plan->params.solver == CLMP_SOLVER_SEARCH;
    clmp_status status = by_search ? clmp_search_begin(step) : clmp_sort_begin(step);
    for (uint32_t round = 1; round <= rounds_of(step->plan) && status == CLMP_OK; ++round) {
        status = by_search ? clmp_search_fill(step, round) : clmp_sort_fill(step, round);
        if (status == CLMP_OK)
            status = select_bins(step, round);
    }
    return status;
}

clmp_status clmp_stage_threshold(struct clmp_step *step) {
    clmp_status status = CLMP_OK;
    if (step->plan->params.weighting != CLMP_WEIGHTING_BALANCED)
        status = search_threshold(step);
    if (status == CLMP_OK && step->plan->draws != NULL)
        status = clmp_stage_draw(step);
    if (status == CLMP_OK && step->plan->normalised)
        status = clmp_stage_normalise(step);
    if (status == CLMP_OK && step->plan->params.scope == CLMP_SCOPE_IMAGE)
        status = total(step);
    return status;
}
