/* Stage gradient, of logits of the labels' size: kernels/gradient.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/draws.h"
#include "plan/kernels.h"
#include "stages/stages.h"

enum clmp_kernel_id clmp_range_kernel(const struct clmp_step *step, enum clmp_kernel_id plain) {
    return step->buffers->gradient_range.mem != NULL ? CLMP_KERNEL_RANGE : plain;
}

void clmp_argument_range(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const clmp_buffer counts = step->buffers->gradient_range;
    if (counts.mem == NULL)
        return;
    clmp_argument_mem(arguments, counts.mem);
    clmp_argument_ulong(arguments, counts.offset / sizeof(cl_ulong));
}

clmp_status clmp_plain_gradient(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + clmp_plan_weighed_plane(plan)};
    struct clmp_arguments arguments = clmp_arguments_begin(step, clmp_range_kernel(step, CLMP_KERNEL_GRADIENT));
    clmp_argument_inputs(&arguments, step);
    clmp_argument_floats(&arguments, clmp_from_first_pixel(step, plane));
    clmp_argument_mem(&arguments, plan->problem);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_ulong(&arguments, step->part != NULL && plan->pools > 1 ? step->part->image : 0);
    clmp_argument_ulong(&arguments, plan->pools > 1); /* one for each image, then */
    clmp_argument_float(&arguments, step->buffers->gradient_scale);
    clmp_argument_logits(&arguments, step, step->part != NULL ? step->part->logits : step->buffers->gradient);
    clmp_argument_sums(&arguments, step);
    clmp_argument_range(&arguments, step);
    return clmp_launch_inputs(step, &arguments, plan->tuning.run);
}
