/*
 * Makes calls that the library makes fail: the k-th call of an OpenCL function, or the k-th allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * faults.c defines the OpenCL functions and malloc() once more.  It is linked into the program, whose symbols come
 * before those of the OpenCL loader and the C library, so that the library's calls arrive there; only these are failed,
 * told by where they come from.  Objects are counted whoever makes them, in any thread; all else is for one thread.
 *
 * A release that fails has released all the same.  FAULT_event is none of a call: a command that is enqueued does not
 * run, and its event has the error as its status; so has what waits for it.
 */
#ifndef CLMP_TESTS_FAULTS_H
#define CLMP_TESTS_FAULTS_H

#include <CL/cl.h>
#include <stdbool.h>

/* What may fail; with what it may fail: faults.c. */
enum fault_function {
    FAULT_clGetPlatformIDs,
    FAULT_clGetPlatformInfo,
    FAULT_clGetDeviceIDs,
    FAULT_clGetDeviceInfo,
    FAULT_clCreateContext,
    FAULT_clRetainContext,
    FAULT_clRetainDevice,
    FAULT_clGetContextInfo,
    FAULT_clGetCommandQueueInfo,
    FAULT_clCreateBuffer,
    FAULT_clGetMemObjectInfo,
    FAULT_clCreateProgramWithSource,
    FAULT_clCreateProgramWithBinary,
    FAULT_clBuildProgram,
    FAULT_clGetProgramInfo,
    FAULT_clGetProgramBuildInfo,
    FAULT_clCreateKernel,
    FAULT_clGetKernelWorkGroupInfo,
    FAULT_clSetKernelArg,
    FAULT_clEnqueueNDRangeKernel,
    FAULT_clEnqueueFillBuffer,
    FAULT_clEnqueueBarrierWithWaitList,
    FAULT_clEnqueueMarkerWithWaitList,
    FAULT_clEnqueueReadBuffer,
    FAULT_clEnqueueWriteBuffer,
    FAULT_clRetainEvent,
    FAULT_clGetEventInfo,
    FAULT_clReleaseContext,
    FAULT_clReleaseDevice,
    FAULT_clReleaseMemObject,
    FAULT_clReleaseProgram,
    FAULT_clReleaseKernel,
    FAULT_clReleaseEvent,
    FAULT_event,
    FAULT_malloc, /* and calloc, realloc */
    FAULT_LIBRARY_FUNCTIONS,
    /* what the command calls besides; files: faults_preload.c, with values of errno as errors */
    FAULT_clCreateCommandQueue = FAULT_LIBRARY_FUNCTIONS,
    FAULT_clReleaseCommandQueue,
    FAULT_clWaitForEvents,
    FAULT_clFinish,
    FAULT_strdup,
    FAULT_realpath,
    FAULT_opendir,
    FAULT_fdopen,
    FAULT_fwrite,
    FAULT_fflush,
    FAULT_fsync,
    FAULT_fclose, /* which closes all the same */
    FAULT_rename,
    FAULT_FUNCTIONS
};

enum { FAULT_KILL = 9999 }; /* an error of files: see faults_preload.c */

const char *fault_name(enum fault_function function);

/* Error number `index` of those that a function may return, or CL_SUCCESS behind the last. */
cl_int fault_error(enum fault_function function, int index);

/* The library's k-th call of the function from now on (1: the next one) returns the error. */
void fault_arm(enum fault_function function, cl_int error, long k);

/* One more fault besides, at most one. */
void fault_arm_also(enum fault_function function, cl_int error, long k);

/* Whether the calling thread's own calls neither fail nor count: for tests whose library runs in several threads. */
void fault_exempt(bool exempt);

/* No call fails from now on.  Whether one did. */
bool fault_disarm(void);

/* Calls of the function since fault_arm(). */
long fault_calls(enum fault_function function);

/* Whether it is one of those that release. */
bool fault_is_release(enum fault_function function);

/* Calls from this part of the process count, too: of a library's name, or "" for the program. */
void fault_add_caller(const char *part);

/* What the function that is called from there has to return instead; CL_SUCCESS: let it. */
cl_int fault_of(enum fault_function function, const void *caller);

enum fault_object {
    OBJECT_CONTEXT,
    OBJECT_QUEUE,
    OBJECT_BUFFER,
    OBJECT_PROGRAM,
    OBJECT_KERNEL,
    OBJECT_EVENT,
    OBJECT_DEVICE, /* retained, less released */
    FAULT_OBJECTS
};
const char *fault_object_name(enum fault_object object);

/* References that exist: made and retained, less released. */
long fault_balance(enum fault_object object);

/*
 * A device that is less than it is, for all that ask or enqueue, until the next call; NULL: as it is.  A launch beyond
 * a limit is refused as such a device would, and so is a program that names what is not there.  The environment's
 * CLMP_TEST_LIMITS ("group=64,bare=1") sets limits from the start, but memory.
 */
struct fault_limits {      /* 0: as it is */
    size_t group;          /* work-items of a work-group */
    size_t kernel_group;   /* the same, of each kernel, but not of the device */
    cl_ulong local_memory; /* bytes */
    size_t memory;         /* bytes, for buffers that are made from now on */
    bool bare;             /* no fp64, no fp16, no 64-bit atomics, nor other extensions */
    bool gpu;              /* it says that it is a GPU, and is tuned as one */
    bool no_compiler;      /* it says that it has none */
    bool long_texts;       /* names, versions and extensions of 8 KiB */
    const char *version;   /* what it says of OpenCL */
    const char *name;      /* what it is called */
};
void fault_limit(const struct fault_limits *limits);

/* Bytes of the buffers that are made under a limit of memory. */
size_t fault_allocated(void);

/* Bytes that would have been needed for the buffer that was refused last. */
size_t fault_needed(void);

#endif
