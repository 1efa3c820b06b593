/* SPDX-License-Identifier: Apache-2.0 */
#include "core/chain.h"

const cl_event *clmp_chain_wait(const struct clmp_chain *chain, cl_uint *count) {
    *count = chain->last == NULL ? chain->wait_count : 1;
    return *count == 0 ? NULL : chain->last == NULL ? chain->wait : &chain->last;
}

void clmp_chain_advance(struct clmp_chain *chain, cl_event event) {
    if (chain->last != NULL)
        clReleaseEvent(chain->last);
    chain->last = event;
}

/* A command that does nothing, once all of `wait` are done. */
static clmp_status mark(struct clmp_chain *chain, cl_uint wait_count, const cl_event *wait) {
    cl_event event = NULL;
    const cl_int error = clEnqueueMarkerWithWaitList(chain->queue, wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(chain->log, error, "clEnqueueMarkerWithWaitList");
    clmp_chain_advance(chain, event);
    return CLMP_OK;
}

clmp_status clmp_chain_also_wait(struct clmp_chain *chain, cl_event event) {
    if (chain->wait_count < CLMP_OWN_WAIT) {
        for (cl_uint i = 0; i < chain->wait_count; ++i)
            chain->own[i] = chain->wait[i];
        chain->own[chain->wait_count++] = event;
        chain->wait = chain->own;
        return CLMP_OK;
    }
    /* no room for a list of them all: one command for the caller's events, and one that waits for that, too */
    clmp_status status = mark(chain, chain->wait_count, chain->wait);
    const cl_event both[2] = {chain->last, event};
    if (status == CLMP_OK)
        status = mark(chain, 2, both);
    if (status != CLMP_OK) /* what does not wait for `event` must not stand for it */
        clmp_chain_advance(chain, NULL);
    return status;
}

struct clmp_arguments clmp_arguments_of(cl_kernel kernel) {
    return (struct clmp_arguments){.kernel = kernel, .index = 0, .error = CL_SUCCESS};
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

void clmp_argument_floats(struct clmp_arguments *arguments, clmp_buffer buffer) {
    clmp_argument_mem(arguments, buffer.mem);
    clmp_argument_ulong(arguments, buffer.offset / sizeof(float));
}

static clmp_status launch(struct clmp_chain *chain, const struct clmp_arguments *arguments, uint64_t items,
                          uint64_t rows, uint64_t planes, cl_uint dimensions, uint32_t group) {
    if (arguments->error != CL_SUCCESS)
        return clmp_fail_cl(chain->log, arguments->error, "clSetKernelArg");
    const size_t local[3] = {group, 1, 1};
    const size_t global[3] = {(size_t)((items + group - 1) / group * group), (size_t)rows, (size_t)planes};
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_chain_wait(chain, &wait_count);
    cl_event event = NULL;
    const cl_int error = clEnqueueNDRangeKernel(chain->queue, arguments->kernel, dimensions, NULL, global, local,
                                                wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(chain->log, error, "clEnqueueNDRangeKernel");
    clmp_chain_advance(chain, event);
    return CLMP_OK;
}

clmp_status clmp_chain_launch(struct clmp_chain *chain, const struct clmp_arguments *arguments, uint64_t items,
                              uint64_t rows, uint32_t group) {
    return launch(chain, arguments, items, rows, 1, 2, group);
}

clmp_status clmp_chain_launch_planes(struct clmp_chain *chain, const struct clmp_arguments *arguments, uint64_t items,
                                     uint64_t rows, uint64_t planes, uint32_t group) {
    return launch(chain, arguments, items, rows, planes, 3, group);
}

clmp_status clmp_chain_clear(struct clmp_chain *chain, clmp_buffer buffer, size_t size) {
    const cl_ulong zero = 0;
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_chain_wait(chain, &wait_count);
    cl_event event = NULL;
    const cl_int error = clEnqueueFillBuffer(chain->queue, buffer.mem, &zero, sizeof zero, buffer.offset, size,
                                             wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(chain->log, error, "clEnqueueFillBuffer");
    clmp_chain_advance(chain, event);
    return CLMP_OK;
}

clmp_status clmp_chain_read(struct clmp_chain *chain, clmp_buffer buffer, size_t size, void *to) {
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_chain_wait(chain, &wait_count);
    cl_event event = NULL;
    const cl_int error =
        clEnqueueReadBuffer(chain->queue, buffer.mem, CL_TRUE, buffer.offset, size, to, wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(chain->log, error, "clEnqueueReadBuffer");
    clmp_chain_advance(chain, event);
    return CLMP_OK;
}

clmp_status clmp_chain_write(struct clmp_chain *chain, clmp_buffer buffer, size_t size, const void *from) {
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_chain_wait(chain, &wait_count);
    cl_event event = NULL;
    const cl_int error =
        clEnqueueWriteBuffer(chain->queue, buffer.mem, CL_TRUE, buffer.offset, size, from, wait_count, wait, &event);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(chain->log, error, "clEnqueueWriteBuffer");
    clmp_chain_advance(chain, event);
    return CLMP_OK;
}
