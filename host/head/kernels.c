/* The head's own kernels: kernels/head.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "core/source.h"
#include "head/head_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[CLMP_HEAD_KERNELS] = {
    [CLMP_HEAD_BIAS] = "clmp_head_bias",
    [CLMP_HEAD_BIAS_GRADIENT] = "clmp_head_bias_gradient",
    [CLMP_HEAD_WEIGHT_GRADIENT] = "clmp_head_weight_gradient",
};

/* The compiler's words, where they can be had. */
static void report_build(const clmp_head *head, cl_program program) {
    size_t size = 0;
    if (clGetProgramBuildInfo(program, head->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) != CL_SUCCESS || size == 0)
        return;
    char *words = calloc(size + 1, 1);
    if (words != NULL && head->log.call != NULL &&
        clGetProgramBuildInfo(program, head->device, CL_PROGRAM_BUILD_LOG, size, words, NULL) == CL_SUCCESS)
        head->log.call(head->log.user, words);
    free(words);
}

/* clSetKernelArg() counts; a program is gone as soon as its kernels are. */
static clmp_status build(clmp_head *head, uint32_t group) {
    char options[64];
    cl_int error = CL_SUCCESS;
    const struct clmp_source *source = clmp_head_sources;
    cl_program program = clCreateProgramWithSource(head->cl, 1, (const char *[]){source->text},
                                                   (const size_t[]){source->length}, &error);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(&head->log, error, "clCreateProgramWithSource");
    snprintf(options, sizeof options, "-cl-std=CL1.2 -w -DCLMP_GROUP=%" PRIu32, group);
    clmp_status status = CLMP_OK;
    error = clBuildProgram(program, 1, &head->device, options, NULL, NULL);
    if (error == CL_OUT_OF_HOST_MEMORY) {
        status = clmp_fail_cl(&head->log, error, "clBuildProgram");
    } else if (error != CL_SUCCESS) {
        report_build(head, program);
        status = clmp_fail(&head->log, CLMP_BUILD_FAILED, "%s.cl with %s failed to build: %s (%d)", source->name,
                           options, clmp_cl_error_name(error), (int)error);
    }
    for (int i = 0; i < CLMP_HEAD_KERNELS && status == CLMP_OK; ++i) {
        head->kernels[i] = clCreateKernel(program, names[i], &error);
        if (error != CL_SUCCESS) {
            head->kernels[i] = NULL;
            status = clmp_fail_cl(&head->log, error, "clCreateKernel");
        }
    }
    clReleaseProgram(program);
    return status;
}

static void release(clmp_head *head) {
    for (int i = 0; i < CLMP_HEAD_KERNELS; ++i) {
        if (head->kernels[i] != NULL)
            clReleaseKernel(head->kernels[i]);
        head->kernels[i] = NULL;
    }
}

/* The largest work-groups that every kernel is allowed.  Local memory: a float of each work-item. */
static clmp_status most_items(const clmp_head *head, uint32_t *most) {
    size_t device_group = 0;
    cl_ulong memory = 0;
    cl_int error =
        clGetDeviceInfo(head->device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof device_group, &device_group, NULL);
    if (error == CL_SUCCESS)
        error = clGetDeviceInfo(head->device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof memory, &memory, NULL);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(&head->log, error, "clGetDeviceInfo");
    uint64_t least = device_group; /* some runtimes answer with the size that the kernel states */
    if (memory / sizeof(cl_float) < least)
        least = memory / sizeof(cl_float);
    for (int i = 0; i < CLMP_HEAD_KERNELS; ++i) {
        size_t group = 0;
        error = clGetKernelWorkGroupInfo(head->kernels[i], head->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof group,
                                         &group, NULL);
        if (error != CL_SUCCESS)
            return clmp_fail_cl(&head->log, error, "clGetKernelWorkGroupInfo");
        if (group < least)
            least = group;
    }
    *most = least > UINT32_MAX ? UINT32_MAX : (uint32_t)least;
    return CLMP_OK;
}

clmp_status clmp_head_create_kernels(clmp_head *head) {
    for (uint32_t group = clmp_plan_tuning(head->plan).group_size;; group /= 2) {
        uint32_t most = 0;
        clmp_status status = build(head, group);
        if (status == CLMP_OK)
            status = most_items(head, &most);
        if (status == CLMP_OK && group <= most) {
            head->group_size = group;
            return CLMP_OK;
        }
        release(head);
        if (status == CLMP_OK && group == 1)
            status =
                clmp_fail(&head->log, CLMP_DEVICE_UNSUPPORTED,
                          "a head's kernel that needs work-groups of 1 is allowed %" PRIu32 " on this device", most);
        if (status != CLMP_OK)
            return status;
    }
}
