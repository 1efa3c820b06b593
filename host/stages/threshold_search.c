/* Stage threshold by search: kernels/threshold_search.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

static size_t set_size(const clmp_plan *plan) {
    return (size_t)plan->pools * plan->tuning.bin_sets * CLMP_BINS * sizeof(clmp_bin);
}

size_t clmp_search_sets(const clmp_plan *plan, uint32_t round) {
    return plan->layout.sets + (clmp_plan_shares_sets(plan) ? (round - 1) * set_size(plan) : 0);
}

clmp_status clmp_search_begin(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    if (!clmp_plan_shares_sets(plan))
        return CLMP_OK;
    return clmp_launch_clear(step, plan->layout.sets, CLMP_ROUNDS * set_size(plan));
}

clmp_status clmp_search_fill(struct clmp_step *step, uint32_t round) {
    const clmp_plan *plan = step->plan;
    const clmp_tuning *tuning = &plan->tuning;
    struct clmp_arguments fill = clmp_arguments_begin(step, CLMP_KERNEL_FILL);
    clmp_argument_losses(&fill, step);
    clmp_argument_ulong(&fill, plan->pool_pixels);
    clmp_argument_ulong(&fill, clmp_plan_bin_run(plan));
    clmp_argument_uint(&fill, round);
    clmp_argument_mem(&fill, plan->problem);
    clmp_argument_workspace(&fill, step);
    clmp_argument_offset(&fill, step, plan->layout.pools);
    clmp_argument_offset(&fill, step, clmp_search_sets(plan, round));
    clmp_argument_uint(&fill, tuning->bin_sets);
    clmp_argument_offset(&fill, step, plan->layout.lists);
    clmp_argument_uint(&fill, clmp_plan_list_room(plan));
    return clmp_launch(step, &fill, (uint64_t)tuning->chunks * tuning->bin_group, plan->pools, tuning->bin_group);
}
