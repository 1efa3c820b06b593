/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* RTLD_NEXT, dl_iterate_phdr() */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ERRORS = 6 };

static const struct {
    const char *name;
    cl_int errors[MOST_ERRORS]; /* of the specification; up to a CL_SUCCESS */
} functions[FAULT_FUNCTIONS] = {
#define MEMORY CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY
    [FAULT_clGetPlatformIDs] = {"clGetPlatformIDs", {CL_OUT_OF_HOST_MEMORY, -1001}},
    [FAULT_clGetPlatformInfo] = {"clGetPlatformInfo", {CL_OUT_OF_HOST_MEMORY}},
    [FAULT_clGetDeviceIDs] = {"clGetDeviceIDs", {MEMORY, CL_DEVICE_NOT_FOUND}},
    [FAULT_clGetDeviceInfo] = {"clGetDeviceInfo", {MEMORY, CL_INVALID_VALUE}},
    [FAULT_clCreateContext] = {"clCreateContext", {MEMORY, CL_DEVICE_NOT_AVAILABLE}},
    [FAULT_clRetainContext] = {"clRetainContext", {MEMORY}},
    [FAULT_clRetainDevice] = {"clRetainDevice", {MEMORY}},
    [FAULT_clGetContextInfo] = {"clGetContextInfo", {MEMORY}},
    [FAULT_clGetCommandQueueInfo] = {"clGetCommandQueueInfo", {MEMORY, CL_INVALID_COMMAND_QUEUE}},
    [FAULT_clCreateBuffer] = {"clCreateBuffer", {MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_BUFFER_SIZE}},
    [FAULT_clGetMemObjectInfo] = {"clGetMemObjectInfo", {MEMORY}},
    [FAULT_clCreateProgramWithSource] = {"clCreateProgramWithSource", {MEMORY}},
    [FAULT_clCreateProgramWithBinary] = {"clCreateProgramWithBinary", {MEMORY, CL_INVALID_BINARY}},
    [FAULT_clBuildProgram] = {"clBuildProgram", {MEMORY, CL_BUILD_PROGRAM_FAILURE, CL_COMPILER_NOT_AVAILABLE}},
    [FAULT_clGetProgramInfo] = {"clGetProgramInfo", {MEMORY}},
    [FAULT_clGetProgramBuildInfo] = {"clGetProgramBuildInfo", {MEMORY}},
    [FAULT_clCreateKernel] = {"clCreateKernel", {MEMORY, CL_INVALID_KERNEL_NAME}},
    [FAULT_clGetKernelWorkGroupInfo] = {"clGetKernelWorkGroupInfo", {MEMORY}},
    [FAULT_clSetKernelArg] = {"clSetKernelArg", {MEMORY, CL_INVALID_ARG_SIZE}},
    [FAULT_clEnqueueNDRangeKernel] = {"clEnqueueNDRangeKernel",
                                      {MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_COMMAND_QUEUE,
                                       CL_INVALID_WORK_GROUP_SIZE}},
    [FAULT_clEnqueueFillBuffer] = {"clEnqueueFillBuffer",
                                   {MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_COMMAND_QUEUE}},
    [FAULT_clRetainEvent] = {"clRetainEvent", {MEMORY}},
    [FAULT_malloc] = {"malloc", {CL_OUT_OF_HOST_MEMORY}},
#undef MEMORY
};

const char *fault_name(enum fault_function function) {
    return functions[function].name;
}

cl_int fault_error(enum fault_function function, int index) {
    return index < MOST_ERRORS ? functions[function].errors[index] : CL_SUCCESS;
}

static struct {
    bool on, hit;
    enum fault_function function;
    cl_int error;
    long left; /* calls before the one that fails */
} armed;

void fault_arm(enum fault_function function, cl_int error, long k) {
    armed.function = function;
    armed.error = error;
    armed.left = k - 1;
    armed.hit = false;
    armed.on = true;
}

bool fault_disarm(void) {
    armed.on = false;
    return armed.hit;
}

/* Where the library lies in memory. */
static uintptr_t library_begin, library_end;

static int find_library(struct dl_phdr_info *info, size_t size, void *user) {
    (void)size;
    (void)user;
    if (strstr(info->dlpi_name, "libclmp.so") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        library_begin = info->dlpi_addr + part->p_vaddr;
        library_end = library_begin + part->p_memsz;
    }
    return 1;
}

static __attribute__((constructor)) void begin(void) {
    dl_iterate_phdr(find_library, NULL);
}

static bool fails(enum fault_function function, const void *caller) {
    if (!armed.on || armed.hit || function != armed.function)
        return false;
    if ((uintptr_t)caller < library_begin || (uintptr_t)caller >= library_end)
        return false;
    if (armed.left-- > 0)
        return false;
    armed.hit = true;
    return true;
}

static long balances[FAULT_OBJECTS];

const char *fault_object_name(enum fault_object object) {
    static const char *const names[FAULT_OBJECTS] = {"contexts", "queues", "buffers", "programs", "kernels", "events"};
    return names[object];
}

long fault_balance(enum fault_object object) {
    return balances[object];
}

/* The function that this one stands before. */
static void *next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        fprintf(stderr, "no %s behind the interposed one\n", name);
        abort();
    }
    return function;
}

/* POSIX lets a pointer to an object be one to a function, C does not. */
#define NEXT(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (real == NULL)                                                                                                  \
    *(void **)&real = next(#name)
#define CALLER __builtin_return_address(0)

/* Calls that return a status. */
#define STATUS(name, parameters, arguments, done)                                                                      \
    cl_int name parameters {                                                                                           \
        NEXT(name);                                                                                                    \
        if (fails(FAULT_##name, CALLER))                                                                               \
            return armed.error;                                                                                        \
        const cl_int status = real arguments;                                                                          \
        if (status == CL_SUCCESS) {                                                                                    \
            done;                                                                                                      \
        }                                                                                                              \
        return status;                                                                                                 \
    }

/* Calls that return an object, and a status through `error`. */
#define CREATE(type, name, parameters, arguments, object)                                                              \
    type name parameters {                                                                                             \
        NEXT(name);                                                                                                    \
        if (fails(FAULT_##name, CALLER)) {                                                                             \
            if (error != NULL)                                                                                         \
                *error = armed.error;                                                                                  \
            return NULL;                                                                                               \
        }                                                                                                              \
        const type made = real arguments;                                                                              \
        balances[object] += made != NULL;                                                                              \
        return made;                                                                                                   \
    }

/* Calls that are counted only. */
#define COUNT(name, type, change, object)                                                                              \
    cl_int name(type x) {                                                                                              \
        NEXT(name);                                                                                                    \
        const cl_int status = real(x);                                                                                 \
        if (status == CL_SUCCESS)                                                                                      \
            balances[object] += change;                                                                                \
        return status;                                                                                                 \
    }

STATUS(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *count), (n, ids, count), )
STATUS(clGetPlatformInfo, (cl_platform_id p, cl_platform_info w, size_t s, void *v, size_t *r), (p, w, s, v, r), )
STATUS(clGetDeviceIDs, (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *ids, cl_uint *c),
       (p, t, n, ids, c), )
STATUS(clGetDeviceInfo, (cl_device_id d, cl_device_info w, size_t s, void *v, size_t *r), (d, w, s, v, r), )
STATUS(clRetainContext, (cl_context c), (c), ++balances[OBJECT_CONTEXT])
STATUS(clRetainDevice, (cl_device_id d), (d), )
STATUS(clGetContextInfo, (cl_context c, cl_context_info w, size_t s, void *v, size_t *r), (c, w, s, v, r), )
STATUS(clGetCommandQueueInfo, (cl_command_queue q, cl_command_queue_info w, size_t s, void *v, size_t *r),
       (q, w, s, v, r), )
STATUS(clGetMemObjectInfo, (cl_mem m, cl_mem_info w, size_t s, void *v, size_t *r), (m, w, s, v, r), )
STATUS(clBuildProgram,
       (cl_program p, cl_uint n, const cl_device_id *d, const char *o, void(CL_CALLBACK *f)(cl_program, void *),
        void *u),
       (p, n, d, o, f, u), )
STATUS(clGetProgramInfo, (cl_program p, cl_program_info w, size_t s, void *v, size_t *r), (p, w, s, v, r), )
STATUS(clGetProgramBuildInfo, (cl_program p, cl_device_id d, cl_program_build_info w, size_t s, void *v, size_t *r),
       (p, d, w, s, v, r), )
STATUS(clGetKernelWorkGroupInfo,
       (cl_kernel k, cl_device_id d, cl_kernel_work_group_info w, size_t s, void *v, size_t *r), (k, d, w, s, v, r), )
STATUS(clSetKernelArg, (cl_kernel k, cl_uint i, size_t s, const void *v), (k, i, s, v), )
STATUS(clEnqueueNDRangeKernel,
       (cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g, const size_t *l, cl_uint n,
        const cl_event *w, cl_event *e),
       (q, k, d, o, g, l, n, w, e), balances[OBJECT_EVENT] += e != NULL)
STATUS(clEnqueueFillBuffer,
       (cl_command_queue q, cl_mem m, const void *p, size_t ps, size_t o, size_t s, cl_uint n, const cl_event *w,
        cl_event *e),
       (q, m, p, ps, o, s, n, w, e), balances[OBJECT_EVENT] += e != NULL)
STATUS(clRetainEvent, (cl_event e), (e), ++balances[OBJECT_EVENT])

CREATE(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
        void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *u, cl_int *error),
       (p, n, d, f, u, error), OBJECT_CONTEXT)
CREATE(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags f, size_t s, void *h, cl_int *error), (c, f, s, h, error),
       OBJECT_BUFFER)
CREATE(cl_program, clCreateProgramWithSource, (cl_context c, cl_uint n, const char **t, const size_t *l, cl_int *error),
       (c, n, t, l, error), OBJECT_PROGRAM)
CREATE(cl_program, clCreateProgramWithBinary,
       (cl_context c, cl_uint n, const cl_device_id *d, const size_t *l, const unsigned char **b, cl_int *s,
        cl_int *error),
       (c, n, d, l, b, s, error), OBJECT_PROGRAM)
CREATE(cl_kernel, clCreateKernel, (cl_program p, const char *n, cl_int *error), (p, n, error), OBJECT_KERNEL)

cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *error) {
    NEXT(clCreateCommandQueue);
    const cl_command_queue queue = real(c, d, p, error);
    balances[OBJECT_QUEUE] += queue != NULL;
    return queue;
}

cl_event clCreateUserEvent(cl_context c, cl_int *error) {
    NEXT(clCreateUserEvent);
    const cl_event event = real(c, error);
    balances[OBJECT_EVENT] += event != NULL;
    return event;
}

COUNT(clReleaseContext, cl_context, -1, OBJECT_CONTEXT)
COUNT(clReleaseCommandQueue, cl_command_queue, -1, OBJECT_QUEUE)
COUNT(clReleaseMemObject, cl_mem, -1, OBJECT_BUFFER)
COUNT(clReleaseProgram, cl_program, -1, OBJECT_PROGRAM)
COUNT(clReleaseKernel, cl_kernel, -1, OBJECT_KERNEL)
COUNT(clReleaseEvent, cl_event, -1, OBJECT_EVENT)

/* glibc's own names of its allocator. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static bool no_memory(const void *caller) {
    if (!fails(FAULT_malloc, caller))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return no_memory(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return no_memory(CALLER) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    return no_memory(CALLER) ? NULL : __libc_realloc(memory, size);
}
