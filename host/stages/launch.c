/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/launch.h"

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

const cl_event *clmp_launch_wait(const struct clmp_step *step, cl_uint *count) {
    *count = step->last == NULL ? step->wait_count : 1;
    return *count == 0 ? NULL : step->last == NULL ? step->wait : &step->last;
}

void clmp_launch_advance(struct clmp_step *step, cl_event event) {
    if (step->last != NULL)
        clReleaseEvent(step->last);
    step->last = event;
}

clmp_status clmp_launch(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t items, uint64_t rows,
                        uint32_t group) {
    const struct clmp_log *log = &step->plan->context->log;
    if (arguments->error != CL_SUCCESS)
        return clmp_fail_cl(log, arguments->error, "clSetKernelArg");
    const size_t local[2] = {group, 1};
    const size_t global[2] = {(size_t)((items + group - 1) / group * group), (size_t)rows};
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_launch_wait(step, &wait_count);
    cl_event event = NULL;
    const cl_int error =
        clEnqueueNDRangeKernel(step->queue, arguments->kernel, 2, NULL, global, local, wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log, error, "clEnqueueNDRangeKernel");
    clmp_launch_advance(step, event);
    return CLMP_OK;
}

clmp_status clmp_launch_clear(struct clmp_step *step, size_t at, size_t size) {
    const cl_ulong zero = 0;
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_launch_wait(step, &wait_count);
    cl_event event = NULL;
    const cl_int error = clEnqueueFillBuffer(step->queue, step->workspace.mem, &zero, sizeof zero,
                                             step->workspace.offset + at, size, wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(&step->plan->context->log, error, "clEnqueueFillBuffer");
    clmp_launch_advance(step, event);
    return CLMP_OK;
}
