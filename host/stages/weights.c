/* Stage weights: kernels/weights.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/draws.h"
#include "stages/stages.h"

clmp_status clmp_stage_weights(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_WEIGHTS);
    if (plan->draws != NULL) {
        clmp_argument_floats(&arguments,
                             (clmp_buffer){step->workspace.mem, step->workspace.offset + plan->draws->plane});
        clmp_argument_int(&arguments, 1);
    } else {
        clmp_argument_losses(&arguments, step);
    }
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_mem(&arguments, plan->problem);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_floats(&arguments, step->buffers->weights);
    return clmp_launch_pixels(step, &arguments, plan->pool_pixels, plan->pools);
}
