/* Stage loss, of logits of the labels' size: kernels/loss.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

clmp_status clmp_plain_loss(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + plan->layout.plane};
    /* losses that go without class weights yet are stored when these are applied */
    const bool store = step->buffers->losses.mem != NULL && !clmp_plan_weighs_late(plan);
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_LOSS);
    clmp_argument_inputs(&arguments, step);
    clmp_argument_floats(&arguments, clmp_from_first_pixel(step, plane));
    clmp_argument_floats(&arguments, clmp_from_first_pixel(step, store ? step->buffers->losses : plane));
    clmp_argument_int(&arguments, store);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_sums(&arguments, step);
    return clmp_launch_inputs(step, &arguments, clmp_plan_loss_run(plan));
}
