/*
 * Preloaded into a program: each kernel's time on the device, by its event, as a table on standard error at the end.
 *
 *     LD_PRELOAD=build/bench/kernel_times.so build/bench/clmp-bench --case cityscapes
 *
 * A row for each kernel and global size: launches, work-items, median and least microseconds.  Queues get profiling,
 * and every event is kept until the end, which costs time outside the kernels: this is for their times alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64 };

struct launch {
    char name[NAME];
    size_t items, group;
    cl_event event;
    double microseconds;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct launch *launches;
static size_t count, room;

/* The next definition of a function: the loader's.  ISO C has no way from void * to a function but this. */
static void find_next(const char *name, void *function) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

static double event_microseconds(cl_event event) {
    cl_ulong begin = 0, end = 0;
    if (clWaitForEvents(1, &event) != CL_SUCCESS ||
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof begin, &begin, NULL) != CL_SUCCESS ||
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) != CL_SUCCESS)
        return -1.0;
    return (double)(end - begin) * 1e-3;
}

static int compare(const void *a, const void *b) {
    const struct launch *x = a, *y = b;
    const int names = strcmp(x->name, y->name);
    if (names != 0)
        return names;
    if (x->items != y->items)
        return x->items < y->items ? -1 : 1;
    return x->microseconds < y->microseconds ? -1 : x->microseconds > y->microseconds;
}

static void report(void) {
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; ++i)
        launches[i].microseconds = event_microseconds(launches[i].event);
    qsort(launches, count, sizeof *launches, compare);
    fprintf(stderr, "%-34s %9s %12s %6s %12s %12s\n", "kernel", "launches", "items", "group", "median us", "least us");
    for (size_t i = 0, j; i < count; i = j) {
        for (j = i;
             j < count && strcmp(launches[j].name, launches[i].name) == 0 && launches[j].items == launches[i].items;)
            ++j;
        fprintf(stderr, "%-34s %9zu %12zu %6zu %12.1f %12.1f\n", launches[i].name, j - i, launches[i].items,
                launches[i].group, launches[i + (j - i) / 2].microseconds, launches[i].microseconds);
    }
    pthread_mutex_unlock(&lock);
}

static void keep(cl_kernel kernel, size_t items, size_t group, cl_event event) {
    pthread_mutex_lock(&lock);
    if (count == 0)
        atexit(report);
    if (count == room) {
        const size_t more = room == 0 ? 4096 : 2 * room;
        struct launch *longer = realloc(launches, more * sizeof *longer);
        if (longer != NULL) {
            launches = longer;
            room = more;
        }
    }
    if (count < room) { /* else there is no memory: this one is not told of */
        struct launch *to = &launches[count++];
        *to = (struct launch){.items = items, .group = group, .event = event};
        clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, NAME, to->name, NULL);
    }
    pthread_mutex_unlock(&lock);
}

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id device, cl_command_queue_properties properties,
                                      cl_int *error) {
    cl_command_queue (*next)(cl_context, cl_device_id, cl_command_queue_properties, cl_int *) = NULL;
    find_next("clCreateCommandQueue", &next);
    return next(context, device, properties | CL_QUEUE_PROFILING_ENABLE, error);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint wait_count, const cl_event *wait,
                              cl_event *event) {
    cl_int (*next)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,
                   const cl_event *, cl_event *) = NULL;
    cl_event own = NULL;
    find_next("clEnqueueNDRangeKernel", &next);
    const cl_int result =
        next(queue, kernel, dimensions, offset, global, local, wait_count, wait, event != NULL ? event : &own);
    if (result != CL_SUCCESS)
        return result;
    size_t items = 1, group = local != NULL ? 1 : 0;
    for (cl_uint i = 0; i < dimensions; ++i) {
        items *= global[i];
        group *= local != NULL ? local[i] : 1;
    }
    if (event != NULL)
        clRetainEvent(*event);
    keep(kernel, items, group, event != NULL ? *event : own);
    return result;
}
