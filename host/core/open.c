/* Contexts made and destroyed.  SPDX-License-Identifier: Apache-2.0 */
#include "core/context.h"

#include "core/cache.h"
#include "core/choice.h"
#include "core/program.h"
#include "core/sized.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void clmp_context_params_init_sized(clmp_context_params *params, size_t size) {
    const clmp_context_params defaults = {.struct_size = size, .log = NULL, .log_user = NULL, .cache_dir = NULL};
    clmp_sized_put(params, size, &defaults, sizeof defaults);
}

/* The params in force, and their log: none in those that were not initialised, whose `log` may be anything. */
static clmp_status take_params(const clmp_context_params *params, clmp_context_params *own, struct clmp_log *log) {
    *log = (struct clmp_log){NULL, NULL};
    clmp_context_params_init(own);
    if (params == NULL)
        return CLMP_OK;
    if (clmp_sized_fits(clmp_sized_size(params), CLMP_FIRST_CONTEXT_PARAMS))
        *log = (struct clmp_log){params->log, params->log_user};
    return clmp_sized_take(params, CLMP_FIRST_CONTEXT_PARAMS, own, "context_params", log);
}

/* Whether a device is in a list, or is a part of one that is: some runtimes list the whole devices only. */
static bool is_listed(cl_device_id device, const cl_device_id *devices, size_t count) {
    while (device != NULL) {
        cl_device_id parent = NULL;
        for (size_t i = 0; i < count; ++i)
            if (devices[i] == device)
                return true;
        if (clGetDeviceInfo(device, CL_DEVICE_PARENT_DEVICE, sizeof parent, &parent, NULL) != CL_SUCCESS)
            return false;
        device = parent;
    }
    return false;
}

/* Whether the OpenCL context is one of the device. */
static clmp_status check_device(cl_context cl, cl_device_id device, const struct clmp_log *log) {
    size_t size = 0;
    cl_int error = clGetContextInfo(cl, CL_CONTEXT_DEVICES, 0, NULL, &size);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log, error, "clGetContextInfo");
    cl_device_id *devices = malloc(size);
    if (devices == NULL)
        return clmp_fail(log, CLMP_OUT_OF_MEMORY, "no memory for %zu bytes", size);
    error = clGetContextInfo(cl, CL_CONTEXT_DEVICES, size, devices, NULL);
    const bool found = error == CL_SUCCESS && is_listed(device, devices, size / sizeof *devices);
    free(devices);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log, error, "clGetContextInfo");
    if (!found)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the device is not one of the OpenCL context's");
    return CLMP_OK;
}

/*
 * Whether the device's runtime keeps what it compiled by itself, and better than we can: PoCL, of which a program's
 * binary has each of its kernels for work-groups of any size.  Those are compiled for nobody else, and take longer than
 * all that a first plan and its first step need (bench/README.md, "Start-up").
 */
static bool keeps_programs(cl_device_id device) {
    cl_platform_id platform = NULL;
    if (clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) != CL_SUCCESS)
        return false;
    char *name = clmp_platform_text(platform, CL_PLATFORM_NAME);
    const bool keeps = name != NULL && strcmp(name, "Portable Computing Language") == 0;
    free(name);
    return keeps;
}

clmp_status clmp_context_create(cl_context cl, cl_device_id device, const clmp_context_params *params,
                                clmp_context **context) {
    clmp_context_params own;
    struct clmp_log log;
    clmp_status status = take_params(params, &own, &log);
    if (context != NULL)
        *context = NULL;
    if (status != CLMP_OK)
        return status;
    if (context == NULL)
        return clmp_fail(&log, CLMP_INVALID_ARGUMENT, "context is NULL, expected a place for the result");
    if (cl == NULL || device == NULL)
        return clmp_fail(&log, CLMP_INVALID_ARGUMENT, "%s is NULL", cl == NULL ? "the OpenCL context" : "the device");
    status = check_device(cl, device, &log);
    if (status != CLMP_OK)
        return status;
    struct clmp_device_facts facts;
    const char *lacks = clmp_device_lacks(device, &facts);
    if (facts.no_memory)
        return clmp_fail(&log, CLMP_OUT_OF_MEMORY, "no memory to query the device");
    if (lacks != NULL)
        return clmp_fail(&log, CLMP_DEVICE_UNSUPPORTED, "the device lacks %s", lacks);

    clmp_context *made = calloc(1, sizeof *made);
    if (made == NULL)
        return clmp_fail(&log, CLMP_OUT_OF_MEMORY, "no memory for a context");
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return clmp_fail(&log, CLMP_OUT_OF_MEMORY, "no memory for a lock");
    }
    const char *retaining = "clRetainContext";
    cl_int error = clRetainContext(cl);
    if (error == CL_SUCCESS) {
        retaining = "clRetainDevice"; /* counts for sub-devices only */
        error = clRetainDevice(device);
        if (error != CL_SUCCESS)
            clReleaseContext(cl);
    }
    if (error != CL_SUCCESS) {
        pthread_mutex_destroy(&made->lock);
        free(made);
        return clmp_fail_cl(&log, error, retaining);
    }
    atomic_init(&made->holders, 1);
    made->cl = cl;
    made->device = device;
    made->facts = facts;
    made->log = log;
    made->cache_folder = clmp_cache_folder(own.cache_dir, !keeps_programs(device));
    made->process = getpid();
    *context = made;
    return CLMP_OK;
}

clmp_status clmp_context_open(const char *device, const clmp_context_params *params, clmp_context **context) {
    clmp_context_params own;
    struct clmp_log log;
    clmp_status status = take_params(params, &own, &log);
    if (context != NULL)
        *context = NULL;
    if (status != CLMP_OK)
        return status;
    if (context == NULL)
        return clmp_fail(&log, CLMP_INVALID_ARGUMENT, "context is NULL, expected a place for the result");
    size_t count = 0;
    status = clmp_list_devices(NULL, 0, &count);
    if (status != CLMP_OK)
        return clmp_fail(&log, status, "no memory for the list of devices");
    if (count == 0)
        return clmp_fail(
            &log, CLMP_NO_DEVICE,
            "there is no OpenCL device: no driver is installed, or it finds none (PoCL needs a folder that "
            "it can write to, POCL_CACHE_DIR)");
    clmp_device_info *infos = calloc(count, sizeof *infos);
    if (infos == NULL)
        return clmp_fail(&log, CLMP_OUT_OF_MEMORY, "no memory for the list of devices");
    size_t found = 0; /* there may be more by now */
    status = clmp_list_devices(infos, count, &found);
    if (found < count)
        count = found;
    const size_t picked = status == CLMP_OK ? clmp_device_pick(infos, count, device) : count;
    if (status != CLMP_OK) {
        clmp_fail(&log, status, "no memory for the list of devices");
    } else if (count == 0) {
        status = clmp_fail(&log, CLMP_NO_DEVICE, "the OpenCL devices have gone while they were listed");
    } else if (picked == count) {
        char why[CLMP_CHOICE_WORDS];
        status = clmp_fail(&log, clmp_device_no_pick(infos, count, device, why), "%s", why);
    } else {
        const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)infos[picked].platform,
                                                    0};
        cl_int error = CL_SUCCESS;
        cl_context cl = clCreateContext(properties, 1, &infos[picked].device, NULL, NULL, &error);
        if (error != CL_SUCCESS) {
            status = clmp_fail_cl(&log, error, "clCreateContext");
        } else {
            status = clmp_context_create(cl, infos[picked].device, &own, context);
            clReleaseContext(cl);
        }
    }
    free(infos);
    return status;
}

void clmp_context_destroy(clmp_context *context) {
    if (context == NULL || atomic_fetch_sub(&context->holders, 1) != 1)
        return;
    const bool ours = clmp_context_is_ours(context); /* else OpenCL's objects, and whoever held the lock, are gone */
    clmp_programs_release(context, ours);
    if (ours) {
        clReleaseDevice(context->device);
        clReleaseContext(context->cl);
        pthread_mutex_destroy(&context->lock);
    }
    free(context->cache_folder);
    free(context);
}
