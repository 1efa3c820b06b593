/* SPDX-License-Identifier: Apache-2.0 */
#include "core/device.h"

#include "core/sized.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL where there is none; *no_memory is set where that is the reason, and else left alone. */
static char *device_text(cl_device_id device, cl_device_info what, bool *no_memory) {
    size_t length = 0;
    if (clGetDeviceInfo(device, what, 0, NULL, &length) != CL_SUCCESS || length == SIZE_MAX)
        return NULL;
    char *text = calloc(length + 1, 1); /* some drivers do not count the 0 at the end */
    *no_memory = *no_memory || text == NULL;
    if (text != NULL && length != 0 && clGetDeviceInfo(device, what, length, text, NULL) != CL_SUCCESS) {
        free(text);
        return NULL;
    }
    return text;
}

static char *platform_text(cl_platform_id platform, cl_platform_info what, bool *no_memory) {
    size_t length = 0;
    if (clGetPlatformInfo(platform, what, 0, NULL, &length) != CL_SUCCESS || length == SIZE_MAX)
        return NULL;
    char *text = calloc(length + 1, 1);
    *no_memory = *no_memory || text == NULL;
    if (text != NULL && length != 0 && clGetPlatformInfo(platform, what, length, text, NULL) != CL_SUCCESS) {
        free(text);
        return NULL;
    }
    return text;
}

char *clmp_device_text(cl_device_id device, cl_device_info what) {
    bool no_memory = false;
    return device_text(device, what, &no_memory);
}

char *clmp_platform_text(cl_platform_id platform, cl_platform_info what) {
    bool no_memory = false;
    return platform_text(platform, what, &no_memory);
}

/* As much of a text as has room in `to`, nothing of NULL; frees it. */
static void keep(char *text, char *to, size_t size) {
    snprintf(to, size, "%s", text != NULL ? text : "");
    free(text);
}

/* Of "OpenCL <major>.<minor> ...": two whole numbers, as a decimal point is the locale's. */
static bool is_version_1_2(const char *version) {
    char *end = NULL;
    if (strncmp(version, "OpenCL ", 7) != 0 || strspn(version + 7, "0123456789") == 0)
        return false;
    const unsigned long major = strtoul(version + 7, &end, 10);
    const unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 1 || (major == 1 && minor >= 2);
}

const char *clmp_device_lacks(cl_device_id device, struct clmp_device_facts *facts) {
    cl_bool available = CL_FALSE, compiler = CL_FALSE, little_endian = CL_FALSE;
    cl_device_fp_config single = 0;
    *facts = (struct clmp_device_facts){.compute_units = 1, .max_group = 1};
    if (clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof facts->type, &facts->type, NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof facts->compute_units, &facts->compute_units,
                        NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof facts->local_memory, &facts->local_memory, NULL) !=
            CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof facts->max_group, &facts->max_group, NULL) !=
            CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_ENDIAN_LITTLE, sizeof little_endian, &little_endian, NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof single, &single, NULL) != CL_SUCCESS)
        return "an answer to what it is";
    char *version = device_text(device, CL_DEVICE_VERSION, &facts->no_memory);
    const bool told = version != NULL, new_enough = told && is_version_1_2(version);
    free(version);
    keep(device_text(device, CL_DEVICE_NAME, &facts->no_memory), facts->name, sizeof facts->name);
    keep(device_text(device, CL_DEVICE_VENDOR, &facts->no_memory), facts->vendor, sizeof facts->vendor);
    if (facts->no_memory)
        return "memory to be asked what it is";
    if (!told)
        return "an answer to what it is";
    if (!available)
        return "availability";
    if (!compiler)
        return "a compiler";
    if (!little_endian)
        return "little-endian memory";
    if ((single & (CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN)) != (CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN))
        return "rounding to nearest, infinities or NaN";
    if (!new_enough)
        return "OpenCL 1.2";
    return NULL;
}

bool clmp_each_device(bool (*visit)(void *user, cl_platform_id platform, cl_device_id device), void *user) {
    cl_uint platform_count = 0;
    if (clGetPlatformIDs(0, NULL, &platform_count) != CL_SUCCESS || platform_count == 0)
        return true;
    cl_platform_id *platforms = calloc(platform_count, sizeof *platforms);
    if (platforms == NULL)
        return false;
    bool enough_memory = true, go_on = true;
    if (clGetPlatformIDs(platform_count, platforms, NULL) != CL_SUCCESS)
        platform_count = 0;
    for (cl_uint i = 0; i < platform_count && go_on && enough_memory; ++i) {
        cl_uint device_count = 0;
        /* a platform without devices is common, and no error */
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 0, NULL, &device_count) != CL_SUCCESS || device_count == 0)
            continue;
        cl_device_id *devices = calloc(device_count, sizeof *devices);
        if (devices == NULL) {
            enough_memory = false;
            break;
        }
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, device_count, devices, NULL) != CL_SUCCESS)
            device_count = 0;
        for (cl_uint j = 0; j < device_count && go_on; ++j)
            go_on = visit(user, platforms[i], devices[j]);
        free(devices);
    }
    free(platforms);
    return enough_memory;
}

struct listing {
    unsigned char *infos; /* of the caller's size */
    size_t info_size, capacity, count;
    bool no_memory;
};

static bool list_device(void *user, cl_platform_id platform, cl_device_id device) {
    struct listing *listing = user;
    if (listing->count < listing->capacity) {
        clmp_device_info own = {.platform = platform, .device = device}, *info = &own;
        bool *no_memory = &listing->no_memory;
        keep(device_text(device, CL_DEVICE_NAME, no_memory), info->name, sizeof info->name);
        keep(device_text(device, CL_DEVICE_VERSION, no_memory), info->version, sizeof info->version);
        keep(device_text(device, CL_DRIVER_VERSION, no_memory), info->driver, sizeof info->driver);
        keep(platform_text(platform, CL_PLATFORM_NAME, no_memory), info->platform_name, sizeof info->platform_name);
        struct clmp_device_facts facts;
        info->lacks = clmp_device_lacks(device, &facts);
        info->supported = info->lacks == NULL;
        *no_memory = *no_memory || facts.no_memory;
        info->type = facts.type;
        info->compute_units = facts.compute_units;
        (void)clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof info->global_memory, &info->global_memory,
                              NULL);
        (void)clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof info->max_alloc, &info->max_alloc, NULL);
        clmp_sized_put(listing->infos + listing->count * listing->info_size, listing->info_size, info, sizeof *info);
    }
    listing->count += 1;
    return !listing->no_memory;
}

clmp_status clmp_list_devices_sized(clmp_device_info *infos, size_t info_size, size_t capacity, size_t *count) {
    if (count == NULL || (infos == NULL && capacity != 0) || !clmp_sized_fits(info_size, CLMP_FIRST_DEVICE_INFO))
        return CLMP_INVALID_ARGUMENT;
    struct listing listing = {.infos = (unsigned char *)infos, .info_size = info_size, .capacity = capacity};
    *count = 0;
    if (!clmp_each_device(list_device, &listing) || listing.no_memory)
        return CLMP_OUT_OF_MEMORY;
    *count = listing.count;
    return CLMP_OK;
}
