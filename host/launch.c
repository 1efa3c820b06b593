/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

struct clmp_arguments clmp_arguments_begin(const struct clmp_step *step, enum clmp_kernel_id id) {
    return (struct clmp_arguments){.kernel = step->plan->kernels[id], .index = 0, .error = CL_SUCCESS};
}

static void set(struct clmp_arguments *arguments, size_t size, const void *value) {
    const cl_int error = clSetKernelArg(arguments->kernel, arguments->index++, size, value);
    if (arguments->error == CL_SUCCESS)
        arguments->error = error;
}

void clmp_argument_mem(struct clmp_arguments *arguments, cl_mem mem) {
    set(arguments, sizeof mem, &mem);
}
void clmp_argument_ulong(struct clmp_arguments *arguments, cl_ulong value) {
    set(arguments, sizeof value, &value);
}
void clmp_argument_long(struct clmp_arguments *arguments, cl_long value) {
    set(arguments, sizeof value, &value);
}
void clmp_argument_uint(struct clmp_arguments *arguments, cl_uint value) {
    set(arguments, sizeof value, &value);
}
void clmp_argument_int(struct clmp_arguments *arguments, cl_int value) {
    set(arguments, sizeof value, &value);
}
void clmp_argument_float(struct clmp_arguments *arguments, cl_float value) {
    set(arguments, sizeof value, &value);
}

void clmp_argument_workspace(struct clmp_arguments *arguments, const struct clmp_step *step) {
    clmp_argument_mem(arguments, step->workspace.mem);
}

void clmp_argument_offset(struct clmp_arguments *arguments, const struct clmp_step *step, size_t at) {
    clmp_argument_ulong(arguments, step->workspace.offset + at);
}

void clmp_argument_floats(struct clmp_arguments *arguments, clmp_buffer buffer) {
    clmp_argument_mem(arguments, buffer.mem);
    clmp_argument_ulong(arguments, buffer.offset / sizeof(float));
}

void clmp_argument_losses(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const bool own = step->plan->params.input == CLMP_INPUT_LOGITS;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + step->plan->layout.plane};
    clmp_argument_floats(arguments, own ? plane : step->buffers->losses);
    clmp_argument_int(arguments, own);
}

clmp_status clmp_launch(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t items, uint64_t rows,
                        uint32_t group) {
    const struct clmp_log *log = &step->plan->context->log;
    if (arguments->error != CL_SUCCESS)
        return clmp_fail_cl(log, arguments->error, "clSetKernelArg");
    const size_t local[2] = {group, 1};
    const size_t global[2] = {(size_t)((items + group - 1) / group * group), (size_t)rows};
    const bool first = step->last == NULL;
    const cl_uint wait_count = first ? step->wait_count : 1;
    const cl_event *wait = first ? step->wait : &step->last;
    cl_event event = NULL;
    const cl_int error = clEnqueueNDRangeKernel(step->queue, arguments->kernel, 2, NULL, global, local, wait_count,
                                                wait_count == 0 ? NULL : wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log, error, "clEnqueueNDRangeKernel");
    if (!first)
        clReleaseEvent(step->last);
    step->last = event;
    return CLMP_OK;
}
