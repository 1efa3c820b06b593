/*
 * What the host writes, written by kernels: to be loaded before the OpenCL loader (LD_PRELOAD) when Oclgrind looks for
 * values that nothing wrote.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Oclgrind 21.10 keeps a shadow of each buffer, which says what was written.  It goes wrong in three ways:
 *  - a write or fill by the host makes a new shadow of the size of that write: unless it writes the whole buffer, what
 *    lies beyond counts as unwritten, and stays so whatever is written there later;
 *  - the shadow of a buffer that was released serves the next one at its place, though it be larger;
 *  - what was written once, counts as written in the next buffer at that place.
 * Kernels keep their shadow right.  So here they write for the host, and no buffer is ever released; nor is a program,
 * whose constants lie in buffers, too.
 *
 * Words of the host that are TEST_POISON, which the tests write where results are to come, count as unwritten.
 */
#define _GNU_SOURCE /* RTLD_NEXT */

#include "support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Oclgrind reports every copy of what is unwritten but that of a struct which is an array's first element. */
static const char *const source = "typedef struct { uint x; } word;\n"
                                  "typedef struct { uchar x; } byte;\n"
                                  "kernel void write_words(global word *to, ulong at, global const word *from) {\n"
                                  "    word w[1];\n"
                                  "    uint unwritten;\n"
                                  "    w[0] = from[get_global_id(0)];\n"
                                  "    if (w[0].x == TEST_POISON)\n"
                                  "        w[0].x += unwritten - unwritten;\n"
                                  "    to[at + get_global_id(0)] = w[0];\n"
                                  "}\n"
                                  "kernel void write_bytes(global byte *to, ulong at, global const byte *from) {\n"
                                  "    to[at + get_global_id(0)] = from[get_global_id(0)];\n"
                                  "}\n"
                                  "kernel void copy_bytes(global byte *to, ulong at, global const byte *from,\n"
                                  "                       ulong from_at) {\n"
                                  "    byte b[1];\n"
                                  "    b[0] = from[from_at + get_global_id(0)];\n"
                                  "    to[at + get_global_id(0)] = b[0];\n"
                                  "}\n";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A kernel of the queue's context, whose program is kept to the process's end, as the context then is. */
static cl_kernel kernel_of(cl_command_queue queue, const char *name, cl_int *error) {
    static cl_program programs[64];
    static cl_context contexts[64];
    char options[32];
    cl_context context = NULL;
    size_t i = 0;
    *error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(cl_context), &context, NULL);
    if (*error != CL_SUCCESS)
        return NULL;
    pthread_mutex_lock(&lock);
    while (i < 63 && contexts[i] != NULL && contexts[i] != context)
        i += 1;
    if (contexts[i] != context) {
        snprintf(options, sizeof options, "-DTEST_POISON=%#xu", TEST_POISON);
        programs[i] = clCreateProgramWithSource(context, 1, (const char **)&source, NULL, error);
        if (*error == CL_SUCCESS)
            *error = clBuildProgram(programs[i], 0, NULL, options, NULL, NULL);
        contexts[i] = *error == CL_SUCCESS ? context : NULL;
    }
    cl_kernel kernel = *error == CL_SUCCESS ? clCreateKernel(programs[i], name, error) : NULL;
    pthread_mutex_unlock(&lock);
    return kernel;
}

/* `from_at` may be NULL: the kernel has no such argument. */
static cl_int launch(cl_command_queue queue, const char *name, cl_mem to, size_t at, cl_mem from, const size_t *from_at,
                     size_t items, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    const cl_ulong to_offset = at, from_offset = from_at != NULL ? *from_at : 0;
    cl_int error = CL_SUCCESS;
    cl_kernel kernel = kernel_of(queue, name, &error);
    if (error != CL_SUCCESS || (error = clSetKernelArg(kernel, 0, sizeof(cl_mem), &to)) != CL_SUCCESS ||
        (error = clSetKernelArg(kernel, 1, sizeof to_offset, &to_offset)) != CL_SUCCESS ||
        (error = clSetKernelArg(kernel, 2, sizeof(cl_mem), &from)) != CL_SUCCESS ||
        (from_at != NULL && (error = clSetKernelArg(kernel, 3, sizeof from_offset, &from_offset)) != CL_SUCCESS))
        return error;
    error = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, wait_count, wait, event);
    clReleaseKernel(kernel);
    return error;
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error) {
    cl_mem (*create)(cl_context, cl_mem_flags, size_t, void *, cl_int *);
    *(void **)&create = dlsym(RTLD_NEXT, "clCreateBuffer");
    cl_mem buffer = create(context, flags, size, host, error);
    if (buffer != NULL)
        clRetainMemObject(buffer); /* to the process's end */
    return buffer;
}

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings, const size_t *lengths,
                                     cl_int *error) {
    cl_program (*create)(cl_context, cl_uint, const char **, const size_t *, cl_int *);
    *(void **)&create = dlsym(RTLD_NEXT, "clCreateProgramWithSource");
    cl_program program = create(context, count, strings, lengths, error);
    if (program != NULL)
        clRetainProgram(program);
    return program;
}

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
                            const void *bytes, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    cl_context context = NULL;
    cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(cl_context), &context, NULL);
    if (error != CL_SUCCESS)
        return error;
    const size_t unit = offset % 4 == 0 && size % 4 == 0 ? 4 : 1;
    cl_mem from = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, size, (void *)(size_t)bytes, &error);
    if (error == CL_SUCCESS)
        error = launch(queue, unit == 4 ? "write_words" : "write_bytes", buffer, offset / unit, from, NULL, size / unit,
                       wait_count, wait, event);
    return error == CL_SUCCESS && blocking ? clFinish(queue) : error;
}

cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size,
                           size_t offset, size_t size, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    unsigned char *bytes = malloc(size);
    if (bytes == NULL)
        return CL_OUT_OF_HOST_MEMORY;
    for (size_t i = 0; i < size; i++)
        bytes[i] = ((const unsigned char *)pattern)[i % pattern_size];
    const cl_int error = clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset, size, bytes, wait_count, wait, event);
    free(bytes);
    return error;
}

cl_int clEnqueueCopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,
                           size_t size, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    return launch(queue, "copy_bytes", to, to_offset, from, &from_offset, size, wait_count, wait, event);
}
