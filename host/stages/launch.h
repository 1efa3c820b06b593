/* Kernels of one step, one after another.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_LAUNCH_H
#define CLMP_LAUNCH_H

#include "plan/plan.h"

/* A run of pixels of one image, whose logits are held for themselves. */
struct clmp_slab {
    clmp_buffer logits; /* (C, pixels), and in place of them their gradient */
    uint64_t first;     /* pixel of the batch */
    uint64_t pixels;
    uint64_t pool;
};

/* One step being enqueued: each launch waits for the one before it, the first for what the step waits for. */
struct clmp_step {
    clmp_plan *plan;
    cl_command_queue queue;
    const clmp_buffers *buffers;
    clmp_buffer workspace; /* the caller's, or the plan's */
    cl_uint wait_count;    /* of the first launch */
    const cl_event *wait;
    cl_event last;                /* the last launch; NULL before the first */
    const struct clmp_slab *slab; /* what the loss and the gradient stage are to work on; NULL: all pixels */
};

/* Arguments of a kernel, typed: a size that is off goes unnoticed by some runtimes. */
struct clmp_arguments {
    cl_kernel kernel;
    cl_uint index;
    cl_int error;
};

struct clmp_arguments clmp_arguments_begin(const struct clmp_step *step, enum clmp_kernel_id id);
void clmp_argument_mem(struct clmp_arguments *arguments, cl_mem mem);
void clmp_argument_ulong(struct clmp_arguments *arguments, cl_ulong value);
void clmp_argument_long(struct clmp_arguments *arguments, cl_long value);
void clmp_argument_uint(struct clmp_arguments *arguments, cl_uint value);
void clmp_argument_int(struct clmp_arguments *arguments, cl_int value);
void clmp_argument_float(struct clmp_arguments *arguments, cl_float value);

/* The workspace as a kernel argument, and the byte offset of something in it. */
void clmp_argument_workspace(struct clmp_arguments *arguments, const struct clmp_step *step);
void clmp_argument_offset(struct clmp_arguments *arguments, const struct clmp_step *step, size_t at);

/* A buffer of floats, and its offset in floats. */
void clmp_argument_floats(struct clmp_arguments *arguments, clmp_buffer buffer);

/* The losses that the threshold and the weights stage read, their offset in floats, and whether they bear marks. */
void clmp_argument_losses(struct clmp_arguments *arguments, const struct clmp_step *step);

/* Enqueues `items` work-items, rounded up to work-groups of `group`, for each of `rows`. */
clmp_status clmp_launch(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t items, uint64_t rows,
                        uint32_t group);

/* What the next command waits for: the caller's events, then always the last command; and the next command's event. */
const cl_event *clmp_launch_wait(const struct clmp_step *step, cl_uint *count);
void clmp_launch_advance(struct clmp_step *step, cl_event event);

/* Enqueues zeros, from byte `at` of the workspace on. */
clmp_status clmp_launch_clear(struct clmp_step *step, size_t at, size_t size);

#endif
