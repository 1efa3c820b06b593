/*
 * clEnqueueFillBuffer() by clEnqueueWriteBuffer(), to be loaded before the OpenCL loader (LD_PRELOAD).
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Oclgrind 21.10 takes what a fill writes for memory that nothing wrote; what a write writes it knows.
 */
#include <CL/cl.h>
#include <stdlib.h>

cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size,
                           size_t offset, size_t size, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    unsigned char *bytes = malloc(size); /* needed until the command has run: left to the process's end */
    if (bytes == NULL)
        return CL_OUT_OF_HOST_MEMORY;
    for (size_t i = 0; i < size; i++)
        bytes[i] = ((const unsigned char *)pattern)[i % pattern_size];
    return clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset, size, bytes, wait_count, wait, event);
}
