/* Stage threshold by search: kernels/threshold_search.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages.h"

clmp_status clmp_search_fill(struct clmp_step *step, uint32_t round) {
    const clmp_plan *plan = step->plan;
    const clmp_tuning *tuning = &plan->tuning;
    /* whole vectors of whole work-groups, so that only the last run has a rest */
    const uint64_t unit = (uint64_t)tuning->vector_width * tuning->bin_group;
    const uint64_t run = (plan->pool_pixels + tuning->chunks * unit - 1) / (tuning->chunks * unit) * unit;

    struct clmp_arguments fill = clmp_arguments_begin(step, CLMP_KERNEL_FILL);
    clmp_argument_losses(&fill, step);
    clmp_argument_ulong(&fill, plan->pool_pixels);
    clmp_argument_ulong(&fill, run);
    clmp_argument_uint(&fill, round);
    clmp_argument_mem(&fill, plan->problem);
    clmp_argument_workspace(&fill, step);
    clmp_argument_offset(&fill, step, plan->layout.pools);
    clmp_argument_offset(&fill, step, plan->layout.sets);
    clmp_status status =
        clmp_launch(step, &fill, (uint64_t)tuning->chunks * tuning->bin_group, plan->pools, tuning->bin_group);
    if (status != CLMP_OK)
        return status;

    struct clmp_arguments reduce = clmp_arguments_begin(step, CLMP_KERNEL_REDUCE);
    clmp_argument_workspace(&reduce, step);
    clmp_argument_offset(&reduce, step, plan->layout.sets);
    clmp_argument_uint(&reduce, tuning->chunks);
    clmp_argument_uint(&reduce, round);
    clmp_argument_offset(&reduce, step, plan->layout.bins);
    return clmp_launch(step, &reduce, (uint64_t)CLMP_ROUND_WINDOWS(round) * CLMP_ROUND_WINDOW_BINS(round), plan->pools,
                       tuning->group_size);
}
