/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/launch.h"

struct clmp_arguments clmp_arguments_begin(const struct clmp_step *step, enum clmp_kernel_id id) {
    return clmp_arguments_of(step->plan->kernels[id]);
}

void clmp_argument_workspace(struct clmp_arguments *arguments, const struct clmp_step *step) {
    clmp_argument_mem(arguments, step->workspace.mem);
}

void clmp_argument_offset(struct clmp_arguments *arguments, const struct clmp_step *step, size_t at) {
    clmp_argument_ulong(arguments, step->workspace.offset + at);
}

void clmp_argument_losses(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const bool own = step->plan->params.input == CLMP_INPUT_LOGITS;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + step->plan->layout.plane};
    clmp_argument_floats(arguments, own ? plane : step->buffers->losses);
    clmp_argument_int(arguments, own);
}

clmp_status clmp_launch(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t items, uint64_t rows,
                        uint32_t group) {
    return clmp_chain_launch(&step->chain, arguments, items, rows, group);
}

clmp_status clmp_launch_clear(struct clmp_step *step, size_t at, size_t size) {
    return clmp_chain_clear(&step->chain, (clmp_buffer){step->workspace.mem, step->workspace.offset + at}, size);
}
