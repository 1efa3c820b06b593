/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* RTLD_NEXT, dl_iterate_phdr() */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "faults.h"

#include "fault_limits.h"
#include "fault_programs.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
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
    [FAULT_clEnqueueBarrierWithWaitList] = {"clEnqueueBarrierWithWaitList", {MEMORY, CL_INVALID_COMMAND_QUEUE}},
    [FAULT_clEnqueueMarkerWithWaitList] = {"clEnqueueMarkerWithWaitList", {MEMORY, CL_INVALID_COMMAND_QUEUE}},
    [FAULT_clRetainEvent] = {"clRetainEvent", {MEMORY}},
    [FAULT_clGetEventInfo] = {"clGetEventInfo", {MEMORY}},
    [FAULT_clReleaseContext] = {"clReleaseContext", {CL_OUT_OF_RESOURCES}},
    [FAULT_clReleaseDevice] = {"clReleaseDevice", {CL_OUT_OF_RESOURCES}},
    [FAULT_clReleaseMemObject] = {"clReleaseMemObject", {CL_OUT_OF_RESOURCES}},
    [FAULT_clReleaseProgram] = {"clReleaseProgram", {CL_OUT_OF_RESOURCES}},
    [FAULT_clReleaseKernel] = {"clReleaseKernel", {CL_OUT_OF_RESOURCES}},
    [FAULT_clReleaseEvent] = {"clReleaseEvent", {CL_OUT_OF_RESOURCES}},
    [FAULT_clCreateCommandQueue] = {"clCreateCommandQueue", {MEMORY}},
    [FAULT_clReleaseCommandQueue] = {"clReleaseCommandQueue", {CL_OUT_OF_RESOURCES}},
    [FAULT_clEnqueueReadBuffer] = {"clEnqueueReadBuffer",
                                   {MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE,
                                    CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST}},
    [FAULT_clEnqueueWriteBuffer] = {"clEnqueueWriteBuffer", {MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE}},
    [FAULT_clWaitForEvents] = {"clWaitForEvents", {MEMORY, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST}},
    [FAULT_clFinish] = {"clFinish", {MEMORY}},
    [FAULT_strdup] = {"strdup", {ENOMEM}},
    [FAULT_realpath] = {"realpath", {ENOMEM}},
    [FAULT_opendir] = {"opendir", {ENOMEM}},
    [FAULT_fdopen] = {"fdopen", {ENOMEM}},
    [FAULT_fwrite] = {"fwrite", {ENOSPC}},
    [FAULT_fflush] = {"fflush", {ENOSPC}},
    [FAULT_fsync] = {"fsync", {EIO}},
    [FAULT_fclose] = {"fclose", {EIO}},
    [FAULT_rename] = {"rename", {EIO}},
    [FAULT_event] = {"event", {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE}},
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
    bool hit;
    enum fault_function function;
    cl_int error;
    long left; /* calls before the one that fails */
} armed[2];
static int armed_count; /* 0: none */
static long calls[FAULT_FUNCTIONS];

void fault_arm_also(enum fault_function function, cl_int error, long k) {
    armed[armed_count].function = function;
    armed[armed_count].error = error;
    armed[armed_count].left = k - 1;
    armed[armed_count].hit = false;
    armed_count++;
}

void fault_arm(enum fault_function function, cl_int error, long k) {
    armed_count = 0;
    memset(calls, 0, sizeof calls);
    fault_arm_also(function, error, k);
}

bool fault_disarm(void) {
    bool hit = false;
    for (int i = 0; i < armed_count; i++)
        hit = hit || armed[i].hit;
    armed_count = 0;
    return hit;
}

long fault_calls(enum fault_function function) {
    return calls[function];
}

bool fault_is_release(enum fault_function function) {
    return function == FAULT_clReleaseCommandQueue ||
           (function >= FAULT_clReleaseContext && function <= FAULT_clReleaseEvent);
}

/* Where the calls that fail come from: the library, and what fault_add_caller() adds. */
enum { MOST_RANGES = 8 };
static struct range { uintptr_t begin, end; } ranges[MOST_RANGES];
static int range_count;

static int find_part(struct dl_phdr_info *info, size_t size, void *user) {
    const char *part = user;
    (void)size;
    if (part[0] == '\0' ? info->dlpi_name[0] != '\0' : strstr(info->dlpi_name, part) == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || range_count == MOST_RANGES)
            continue;
        const uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        ranges[range_count++] = (struct range){begin, begin + segment->p_memsz};
    }
    return 1;
}

void fault_add_caller(const char *part) {
    dl_iterate_phdr(find_part, (void *)(uintptr_t)part);
}

static __attribute__((constructor)) void begin(void) {
    fault_add_caller("libclmp.so");
}

static _Thread_local bool exempt_here;

void fault_exempt(bool exempt) {
    exempt_here = exempt;
}

cl_int fault_of(enum fault_function function, const void *caller) {
    cl_int error = CL_SUCCESS;
    bool counts = false;
    if (exempt_here)
        return CL_SUCCESS;
    for (int i = 0; armed_count > 0 && i < range_count; i++)
        counts = counts || ((uintptr_t)caller >= ranges[i].begin && (uintptr_t)caller < ranges[i].end);
    if (!counts)
        return CL_SUCCESS;
    calls[function]++;
    for (int i = 0; i < armed_count; i++)
        if (function == armed[i].function && !armed[i].hit && armed[i].left-- == 0) {
            armed[i].hit = true;
            error = armed[i].error;
        }
    return error;
}

static atomic_long balances[FAULT_OBJECTS];

const char *fault_object_name(enum fault_object object) {
    static const char *const names[FAULT_OBJECTS] = {"contexts", "queues", "buffers", "programs",
                                                     "kernels",  "events", "devices"};
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
        const cl_int fault = fault_of(FAULT_##name, CALLER);                                                           \
        if (fault != CL_SUCCESS)                                                                                       \
            return fault;                                                                                              \
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
        const cl_int fault = fault_of(FAULT_##name, CALLER);                                                           \
        if (fault != CL_SUCCESS) {                                                                                     \
            if (error != NULL)                                                                                         \
                *error = fault;                                                                                        \
            return NULL;                                                                                               \
        }                                                                                                              \
        const type made = real arguments;                                                                              \
        balances[object] += made != NULL;                                                                              \
        return made;                                                                                                   \
    }

/* Calls that release. */
#define RELEASE(name, type, object, done)                                                                              \
    cl_int name(type x) {                                                                                              \
        NEXT(name);                                                                                                    \
        const cl_int fault = fault_of(FAULT_##name, CALLER);                                                           \
        const cl_int status = real(x);                                                                                 \
        if (status == CL_SUCCESS) {                                                                                    \
            --balances[object];                                                                                        \
            done;                                                                                                      \
        }                                                                                                              \
        return fault != CL_SUCCESS ? fault : status;                                                                   \
    }

STATUS(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *count), (n, ids, count), )

cl_int clGetPlatformInfo(cl_platform_id platform, cl_platform_info what, size_t size, void *value, size_t *used) {
    NEXT(clGetPlatformInfo);
    const cl_int fault = fault_of(FAULT_clGetPlatformInfo, CALLER);
    cl_int status = CL_SUCCESS;
    if (fault != CL_SUCCESS)
        return fault;
    return limit_platform_info(what, size, value, used, &status) ? status : real(platform, what, size, value, used);
}

STATUS(clGetDeviceIDs, (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *ids, cl_uint *c),
       (p, t, n, ids, c), )

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t size, void *value, size_t *used) {
    NEXT(clGetDeviceInfo);
    const cl_int fault = fault_of(FAULT_clGetDeviceInfo, CALLER);
    cl_int status = CL_SUCCESS;
    if (fault != CL_SUCCESS)
        return fault;
    return limit_device_info(what, size, value, used, &status) ? status : real(device, what, size, value, used);
}

STATUS(clRetainContext, (cl_context c), (c), ++balances[OBJECT_CONTEXT])
STATUS(clRetainDevice, (cl_device_id d), (d), ++balances[OBJECT_DEVICE])
STATUS(clGetContextInfo, (cl_context c, cl_context_info w, size_t s, void *v, size_t *r), (c, w, s, v, r), )
STATUS(clGetCommandQueueInfo, (cl_command_queue q, cl_command_queue_info w, size_t s, void *v, size_t *r),
       (q, w, s, v, r), )
STATUS(clGetMemObjectInfo, (cl_mem m, cl_mem_info w, size_t s, void *v, size_t *r), (m, w, s, v, r), )
cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
                      void(CL_CALLBACK *done)(cl_program, void *), void *user) {
    NEXT(clBuildProgram);
    const cl_int fault = fault_of(FAULT_clBuildProgram, CALLER);
    if (fault != CL_SUCCESS)
        return fault;
    const char *known_options = options != NULL ? options : "";
    if (done == NULL && kept_find(program, known_options))
        return CL_SUCCESS;
    const cl_int status = real(program, count, devices, options, done, user);
    if (done == NULL && status == CL_SUCCESS)
        kept_built(program, known_options);
    return status;
}

STATUS(clGetProgramInfo, (cl_program p, cl_program_info w, size_t s, void *v, size_t *r),
       (kept_program(p), w, s, v, r), )
STATUS(clGetProgramBuildInfo, (cl_program p, cl_device_id d, cl_program_build_info w, size_t s, void *v, size_t *r),
       (kept_program(p), d, w, s, v, r), )
STATUS(clGetKernelWorkGroupInfo,
       (cl_kernel k, cl_device_id d, cl_kernel_work_group_info w, size_t s, void *v, size_t *r), (k, d, w, s, v, r),
       limit_kernel_info(w, s, v))
STATUS(clSetKernelArg, (cl_kernel k, cl_uint i, size_t s, const void *v), (k, i, s, v), )
/* Events of commands that failed: user events, which the runtime believes to be complete. */
enum { MOST_FAILED = 64 };
static struct {
    cl_event event;
    cl_int error;
} failed[MOST_FAILED];
static int failed_count;

static cl_int error_of(cl_event event) {
    for (int i = 0; i < failed_count; i++)
        if (failed[i].event == event)
            return failed[i].error;
    return CL_SUCCESS;
}

static void forget(cl_event event) {
    for (int i = 0; i < failed_count; i++)
        if (failed[i].event == event)
            failed[i--] = failed[--failed_count];
}

/* The event of a command that is not enqueued. */
static bool make_failed(cl_command_queue queue, cl_int error, cl_event *event) {
    cl_context context = NULL;
    cl_int status = CL_SUCCESS;
    if (event == NULL)
        return true;
    if (failed_count == MOST_FAILED ||
        clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(cl_context), &context, NULL) != CL_SUCCESS)
        return false;
    *event = clCreateUserEvent(context, &status);
    if (status != CL_SUCCESS || clSetUserEventStatus(*event, CL_COMPLETE) != CL_SUCCESS)
        return false;
    failed[failed_count].event = *event;
    failed[failed_count++].error = error;
    return true;
}

/* Whether a command fails by its event, of its own or as something that it waits for failed. */
static cl_int fault_of_event(cl_uint count, const cl_event *wait, const void *caller) {
    for (cl_uint i = 0; i < count; i++)
        if (error_of(wait[i]) != CL_SUCCESS)
            return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    return fault_of(FAULT_event, caller);
}

/* Calls that enqueue: n, w and e are the wait list and the event; `refusal` is an error or CL_SUCCESS. */
#define ENQUEUE(name, parameters, arguments, refusal)                                                                  \
    cl_int name parameters {                                                                                           \
        NEXT(name);                                                                                                    \
        const cl_int fault = fault_of(FAULT_##name, CALLER);                                                           \
        if (fault != CL_SUCCESS)                                                                                       \
            return fault;                                                                                              \
        const cl_int refused = refusal;                                                                                \
        if (refused != CL_SUCCESS)                                                                                     \
            return refused;                                                                                            \
        const cl_int late = fault_of_event(n, w, CALLER);                                                              \
        if (late != CL_SUCCESS && make_failed(q, late, e))                                                             \
            return CL_SUCCESS;                                                                                         \
        const cl_int status = real arguments;                                                                          \
        balances[OBJECT_EVENT] += status == CL_SUCCESS && e != NULL;                                                   \
        return status;                                                                                                 \
    }

ENQUEUE(clEnqueueNDRangeKernel,
        (cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g, const size_t *l, cl_uint n,
         const cl_event *w, cl_event *e),
        (q, k, d, o, g, l, n, w, e), limit_launch(q, k, d, l))
ENQUEUE(clEnqueueFillBuffer,
        (cl_command_queue q, cl_mem m, const void *p, size_t ps, size_t o, size_t s, cl_uint n, const cl_event *w,
         cl_event *e),
        (q, m, p, ps, o, s, n, w, e), CL_SUCCESS)
ENQUEUE(clEnqueueBarrierWithWaitList, (cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e), (q, n, w, e),
        CL_SUCCESS)
ENQUEUE(clEnqueueMarkerWithWaitList, (cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e), (q, n, w, e),
        CL_SUCCESS)

/* Copies that may wait for what they copy. */
#define COPY(name, pointer)                                                                                            \
    cl_int name(cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t s, pointer v, cl_uint n, const cl_event *w,  \
                cl_event *e) {                                                                                         \
        NEXT(name);                                                                                                    \
        const cl_int fault = fault_of(FAULT_##name, CALLER);                                                           \
        if (fault != CL_SUCCESS)                                                                                       \
            return fault;                                                                                              \
        for (cl_uint i = 0; i < n; i++)                                                                                \
            if (error_of(w[i]) != CL_SUCCESS)                                                                          \
                return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;                                                   \
        const cl_int status = real(q, m, b, o, s, v, n, w, e);                                                         \
        balances[OBJECT_EVENT] += status == CL_SUCCESS && e != NULL;                                                   \
        return status;                                                                                                 \
    }

COPY(clEnqueueReadBuffer, void *)
COPY(clEnqueueWriteBuffer, const void *)
STATUS(clRetainEvent, (cl_event e), (e), ++balances[OBJECT_EVENT])

cl_int clWaitForEvents(cl_uint count, const cl_event *list) {
    NEXT(clWaitForEvents);
    const cl_int fault = fault_of(FAULT_clWaitForEvents, CALLER);
    if (fault != CL_SUCCESS)
        return fault;
    const cl_int status = real(count, list);
    for (cl_uint i = 0; i < count; i++)
        if (error_of(list[i]) != CL_SUCCESS)
            return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    return status;
}

STATUS(clFinish, (cl_command_queue q), (q), )

cl_int clGetEventInfo(cl_event e, cl_event_info what, size_t size, void *value, size_t *used) {
    NEXT(clGetEventInfo);
    const cl_int fault = fault_of(FAULT_clGetEventInfo, CALLER);
    if (fault != CL_SUCCESS)
        return fault;
    const cl_int status = real(e, what, size, value, used), error = error_of(e);
    if (status == CL_SUCCESS && error != CL_SUCCESS && what == CL_EVENT_COMMAND_EXECUTION_STATUS && value != NULL)
        memcpy(value, &error, sizeof error);
    return status;
}

CREATE(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
        void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *u, cl_int *error),
       (p, n, d, f, u, error), OBJECT_CONTEXT)
cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error) {
    NEXT(clCreateBuffer);
    cl_int fault = fault_of(FAULT_clCreateBuffer, CALLER);
    if (fault == CL_SUCCESS)
        fault = limit_buffer(size);
    if (fault != CL_SUCCESS) {
        if (error != NULL)
            *error = fault;
        return NULL;
    }
    cl_mem made = real(context, flags, size, host, error);
    if (made != NULL) {
        ++balances[OBJECT_BUFFER];
        limit_buffer_made(made, size);
    }
    return made;
}

enum { MOST_TEXTS = 64 };

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char **texts, const size_t *lengths,
                                     cl_int *error) {
    NEXT(clCreateProgramWithSource);
    const char *all[MOST_TEXTS] = {""};
    size_t all_lengths[MOST_TEXTS] = {0};
    const cl_int fault = fault_of(FAULT_clCreateProgramWithSource, CALLER);
    if (count >= MOST_TEXTS)
        abort();
    if (fault != CL_SUCCESS) {
        if (error != NULL)
            *error = fault;
        return NULL;
    }
    for (cl_uint i = 0; i < count; i++) {
        const size_t length = lengths != NULL && lengths[i] != 0 ? lengths[i] : strlen(texts[i]);
        const char *prelude = limit_prelude(texts[i], length);
        all[0] = strlen(prelude) > strlen(all[0]) ? prelude : all[0];
        all[i + 1] = texts[i];
        all_lengths[i + 1] = length;
    }
    all_lengths[0] = strlen(all[0]);
    cl_program made = all_lengths[0] == 0 ? real(context, count, texts, lengths, error)
                                          : real(context, count + 1, all, all_lengths, error);
    balances[OBJECT_PROGRAM] += made != NULL;
    kept_note(made, context, count + 1, (const unsigned char *const *)all, all_lengths);
    return made;
}

cl_program clCreateProgramWithBinary(cl_context context, cl_uint count, const cl_device_id *devices,
                                     const size_t *sizes, const unsigned char **binaries, cl_int *states,
                                     cl_int *error) {
    NEXT(clCreateProgramWithBinary);
    const cl_int fault = fault_of(FAULT_clCreateProgramWithBinary, CALLER);
    if (fault != CL_SUCCESS) {
        if (error != NULL)
            *error = fault;
        return NULL;
    }
    cl_program made = real(context, count, devices, sizes, binaries, states, error);
    balances[OBJECT_PROGRAM] += made != NULL;
    kept_note(made, context, count, binaries, sizes);
    return made;
}

CREATE(cl_kernel, clCreateKernel, (cl_program p, const char *n, cl_int *error), (kept_program(p), n, error),
       OBJECT_KERNEL)

CREATE(cl_command_queue, clCreateCommandQueue,
       (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *error), (c, d, p, error), OBJECT_QUEUE)

cl_event clCreateUserEvent(cl_context c, cl_int *error) {
    NEXT(clCreateUserEvent);
    const cl_event event = real(c, error);
    balances[OBJECT_EVENT] += event != NULL;
    return event;
}

RELEASE(clReleaseContext, cl_context, OBJECT_CONTEXT, )
RELEASE(clReleaseCommandQueue, cl_command_queue, OBJECT_QUEUE, )
RELEASE(clReleaseMemObject, cl_mem, OBJECT_BUFFER, limit_buffer_released(x))

cl_int clReleaseProgram(cl_program program) {
    NEXT(clReleaseProgram);
    const cl_int fault = fault_of(FAULT_clReleaseProgram, CALLER);
    kept_forget(program); /* before its handle may be another's */
    const cl_int status = real(program);
    balances[OBJECT_PROGRAM] -= status == CL_SUCCESS;
    return fault != CL_SUCCESS ? fault : status;
}

RELEASE(clReleaseKernel, cl_kernel, OBJECT_KERNEL, )
RELEASE(clReleaseDevice, cl_device_id, OBJECT_DEVICE, )

cl_int clReleaseEvent(cl_event e) {
    NEXT(clReleaseEvent);
    const cl_int fault = fault_of(FAULT_clReleaseEvent, CALLER);
    cl_uint references = 0;
    if (error_of(e) != CL_SUCCESS &&
        clGetEventInfo(e, CL_EVENT_REFERENCE_COUNT, sizeof references, &references, NULL) == CL_SUCCESS &&
        references == 1)
        forget(e); /* another event may come to lie there */
    const cl_int status = real(e);
    balances[OBJECT_EVENT] -= status == CL_SUCCESS;
    return fault != CL_SUCCESS ? fault : status;
}

/* glibc's own names of its allocator. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static bool no_memory(const void *caller) {
    if (fault_of(FAULT_malloc, caller) == CL_SUCCESS)
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
