/*
 * Preloaded, it has no queue take times: a device that cannot.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_TEST_PROFILING  "refused": a queue that is to take times is not made; else it is, and its events have none
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS

#include <CL/cl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id device, cl_command_queue_properties properties,
                                      cl_int *error) {
    const char *way = getenv("CLMP_TEST_PROFILING");
    __typeof__(&clCreateCommandQueue) real;
    *(void **)&real = dlsym(RTLD_NEXT, "clCreateCommandQueue");
    if ((properties & CL_QUEUE_PROFILING_ENABLE) == 0 || way == NULL || strcmp(way, "refused") != 0)
        return real(context, device, properties & ~(cl_command_queue_properties)CL_QUEUE_PROFILING_ENABLE, error);
    if (error != NULL)
        *error = CL_INVALID_QUEUE_PROPERTIES;
    return NULL;
}
