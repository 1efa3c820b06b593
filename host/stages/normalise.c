/* Means over class weights: kernels/normalise.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/draws.h"
#include "stages/ranks.h"
#include "stages/stages.h"

static clmp_status count(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + clmp_plan_weighed_plane(plan)};
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_NORMALISE_COUNT);
    clmp_argument_labels(&arguments, step);
    clmp_argument_floats(&arguments, plane);
    clmp_argument_ulong(&arguments, plan->plane_pixels);
    clmp_argument_ulong(&arguments, plan->params.classes);
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_ulong(&arguments, clmp_plan_run(plan, plan->tuning.bin_group));
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_offset(&arguments, step, plan->layout.normalise);
    return clmp_launch(step, &arguments, (uint64_t)plan->tuning.chunks * plan->tuning.bin_group, plan->pools,
                       plan->tuning.bin_group);
}

static clmp_status result(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const bool by_image = plan->params.scope == CLMP_SCOPE_IMAGE;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_NORMALISE_RESULT);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_offset(&arguments, step, plan->layout.normalise);
    clmp_argument_offset(&arguments, step, plan->draws != NULL ? plan->draws->records : 0);
    clmp_argument_mem(&arguments, plan->mean_weights);
    clmp_argument_ulong(&arguments, plan->params.classes);
    clmp_argument_mem(&arguments, step->buffers->result.mem);
    clmp_argument_ulong(&arguments, step->buffers->result.offset + (by_image ? sizeof(clmp_result) : 0));
    return clmp_launch(step, &arguments, 1, plan->pools, 1);
}

clmp_status clmp_stage_normalise(struct clmp_step *step, clmp_status status) {
    const clmp_plan *plan = step->plan;
    const size_t words = (size_t)plan->params.classes * 2; /* of a pool */
    if (status == CLMP_OK)
        status = clmp_launch_clear(step, plan->layout.normalise, (size_t)plan->pools * words * sizeof(cl_ulong));
    if (status == CLMP_OK)
        status = count(step);
    status = clmp_ranks_add(step, status, plan->layout.normalise, 1, words);
    return status == CLMP_OK ? result(step) : status;
}
