/* Kernels of one step, one after another.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_LAUNCH_H
#define CLMP_LAUNCH_H

#include "core/chain.h"
#include "plan/plan.h"

/* One step being enqueued. */
struct clmp_step {
    clmp_plan *plan;
    struct clmp_chain chain;
    const clmp_buffers *buffers;
    clmp_buffer workspace;        /* the caller's, or the plan's */
    const struct clmp_part *part; /* what the loss or the gradient stage is to work on; NULL: all pixels */
    bool alone; /* no other rank waits for this one: there are none, or all know that the step has failed */
};

struct clmp_arguments clmp_arguments_begin(const struct clmp_step *step, enum clmp_kernel_id id);

/* The workspace as a kernel argument, and the byte offset of something in it. */
void clmp_argument_workspace(struct clmp_arguments *arguments, const struct clmp_step *step);
void clmp_argument_offset(struct clmp_arguments *arguments, const struct clmp_step *step, size_t at);

/* The losses that the threshold and the weights stage read, their offset in floats, and whether they bear marks. */
void clmp_argument_losses(struct clmp_arguments *arguments, const struct clmp_step *step);

/* Enqueues `items` work-items, rounded up to work-groups of `group`, for each of `rows`. */
clmp_status clmp_launch(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t items, uint64_t rows,
                        uint32_t group);

/* Enqueues zeros, from byte `at` of the workspace on. */
clmp_status clmp_launch_clear(struct clmp_step *step, size_t at, size_t size);

#endif
