/* SPDX-License-Identifier: Apache-2.0 */
#include "core/program.h"

#include "core/cache.h"
#include "core/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 1024

struct clmp_program {
    struct clmp_program *next;
    const char *source; /* name, of clmp_sources */
    char options[MAX_OPTIONS];
    cl_program cl;
};

static const struct clmp_source *find_source(const char *name) {
    const struct clmp_source *source = clmp_sources;
    while (source->name != NULL && strcmp(source->name, name) != 0)
        ++source;
    return source->name != NULL ? source : NULL;
}

/* Hands the compiler's words to the log. */
static clmp_status build_failed(const clmp_context *context, const char *source, const char *options, cl_program cl,
                                cl_int error) {
    size_t size = 0;
    char *words = NULL;
    if (clGetProgramBuildInfo(cl, context->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS && size > 0)
        words = calloc(size + 1, 1);
    if (words != NULL &&
        clGetProgramBuildInfo(cl, context->device, CL_PROGRAM_BUILD_LOG, size, words, NULL) == CL_SUCCESS &&
        context->log.call != NULL)
        context->log.call(context->log.user, words);
    free(words);
    return clmp_fail(&context->log, CLMP_BUILD_FAILED, "kernel source %s with %s failed to build: %s (%d)", source,
                     options, clmp_cl_error_name(error), (int)error);
}

/* Adds a line to a key.  False if there is no memory, or no value. */
static bool add_info(char **key, const char *name, const char *value) {
    if (value == NULL)
        return false;
    const size_t length = strlen(*key), size = length + strlen(name) + strlen(value) + 4;
    char *longer = realloc(*key, size);
    if (longer == NULL)
        return false;
    *key = longer;
    snprintf(longer + length, size - length, "%s: %s\n", name, value);
    return true;
}

static bool add_device_info(char **key, const char *name, cl_device_id device, cl_device_info what) {
    char *value = clmp_device_text(device, what);
    const bool added = add_info(key, name, value);
    free(value);
    return added;
}

static bool add_platform_info(char **key, const char *name, cl_platform_id platform, cl_platform_info what) {
    char *value = clmp_platform_text(platform, what);
    const bool added = add_info(key, name, value);
    free(value);
    return added;
}

/* All that a compiled program depends on, to be freed; NULL where it cannot be told. */
static char *cache_key(const clmp_context *context, const struct clmp_source *source, const char *options) {
    char text[64];
    char *key = calloc(1, 1);
    cl_platform_id platform = NULL;
    const cl_device_id device = context->device;
    if (key == NULL)
        return NULL;
    snprintf(text, sizeof text, "%016llx, %zu bytes", (unsigned long long)clmp_hash(0, source->text, source->length),
             source->length);
    if (clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) == CL_SUCCESS &&
        add_info(&key, "libclmp", clmp_version()) && add_info(&key, "source", source->name) &&
        add_info(&key, "hash", text) && add_info(&key, "options", options) &&
        add_platform_info(&key, "platform", platform, CL_PLATFORM_NAME) &&
        add_platform_info(&key, "platform version", platform, CL_PLATFORM_VERSION) &&
        add_device_info(&key, "device", device, CL_DEVICE_NAME) &&
        add_device_info(&key, "vendor", device, CL_DEVICE_VENDOR) &&
        add_device_info(&key, "version", device, CL_DEVICE_VERSION) &&
        add_device_info(&key, "driver", device, CL_DRIVER_VERSION) &&
        add_device_info(&key, "extensions", device, CL_DEVICE_EXTENSIONS))
        return key;
    free(key);
    return NULL;
}

/* A built program, or NULL: then it is made from its source. */
static cl_program load(const clmp_context *context, const char *key, const char *options, const char *kernel) {
    size_t size = 0;
    unsigned char *bytes = key != NULL ? clmp_cache_load(context->cache_folder, key, &size) : NULL;
    if (bytes == NULL)
        return NULL;
    cl_int error = CL_SUCCESS, state = CL_SUCCESS;
    cl_program cl = clCreateProgramWithBinary(context->cl, 1, &context->device, &size, &(const unsigned char *){bytes},
                                              &state, &error);
    free(bytes);
    if (error != CL_SUCCESS)
        return NULL;
    cl_kernel made = NULL;
    if (state == CL_SUCCESS && clBuildProgram(cl, 1, &context->device, options, NULL, NULL) == CL_SUCCESS)
        made = clCreateKernel(cl, kernel, &error); /* whether it has what it should */
    if (made != NULL) {
        clReleaseKernel(made);
        return cl;
    }
    clReleaseProgram(cl);
    return NULL;
}

/* Where this device is in a program's list of devices; `*count` is the list's length. */
static size_t device_index(const clmp_context *context, cl_program cl, cl_uint *count) {
    if (clGetProgramInfo(cl, CL_PROGRAM_NUM_DEVICES, sizeof *count, count, NULL) != CL_SUCCESS)
        *count = 0;
    cl_device_id *devices = calloc(*count + 1, sizeof *devices);
    size_t index = 0;
    if (devices == NULL ||
        clGetProgramInfo(cl, CL_PROGRAM_DEVICES, *count * sizeof *devices, devices, NULL) != CL_SUCCESS)
        *count = 0;
    while (index < *count && devices[index] != context->device)
        ++index;
    free(devices);
    return index;
}

static void store(const clmp_context *context, const char *key, cl_program cl) {
    cl_uint count = 0;
    if (key == NULL || context->cache_folder == NULL)
        return;
    const size_t index = device_index(context, cl, &count);
    size_t *sizes = calloc((size_t)count + 1, sizeof *sizes);
    unsigned char **binaries = calloc((size_t)count + 1, sizeof *binaries); /* NULL: not asked for */
    if (sizes != NULL && binaries != NULL && index < count &&
        clGetProgramInfo(cl, CL_PROGRAM_BINARY_SIZES, count * sizeof *sizes, sizes, NULL) == CL_SUCCESS &&
        sizes[index] != 0 && (binaries[index] = malloc(sizes[index])) != NULL &&
        clGetProgramInfo(cl, CL_PROGRAM_BINARIES, count * sizeof *binaries, binaries, NULL) == CL_SUCCESS)
        clmp_cache_store(context->cache_folder, key, binaries[index], sizes[index]);
    if (binaries != NULL && index < count)
        free(binaries[index]);
    free(binaries);
    free(sizes);
}

static clmp_status compile(const clmp_context *context, const struct clmp_source *source, const char *options,
                           cl_program *out) {
    cl_int error = CL_SUCCESS;
    cl_program cl = clCreateProgramWithSource(context->cl, 1, (const char *[]){source->text},
                                              (const size_t[]){source->length}, &error);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(&context->log, error, "clCreateProgramWithSource");
    error = clBuildProgram(cl, 1, &context->device, options, NULL, NULL);
    if (error != CL_SUCCESS) {
        const clmp_status status = error == CL_OUT_OF_HOST_MEMORY
                                       ? clmp_fail_cl(&context->log, error, "clBuildProgram")
                                       : build_failed(context, source->name, options, cl, error);
        clReleaseProgram(cl);
        return status;
    }
    *out = cl;
    return CLMP_OK;
}

/* NULL where `*status` is not CLMP_OK. */
static struct clmp_program *build(clmp_context *context, const char *name, const char *options, const char *kernel,
                                  clmp_status *status) {
    const struct clmp_source *source = find_source(name);
    if (source == NULL) {
        *status = clmp_fail(&context->log, CLMP_BUILD_FAILED, "there is no kernel source %s", name);
        return NULL;
    }
    struct clmp_program *program = calloc(1, sizeof *program);
    if (program == NULL) {
        *status = clmp_fail(&context->log, CLMP_OUT_OF_MEMORY, "no memory for a program");
        return NULL;
    }
    program->source = source->name;
    snprintf(program->options, sizeof program->options, "%s", options);
    char *key = context->cache_folder != NULL ? cache_key(context, source, options) : NULL;
    *status = CLMP_OK;
    program->cl = load(context, key, options, kernel);
    if (program->cl == NULL) {
        *status = compile(context, source, options, &program->cl);
        if (*status == CLMP_OK)
            store(context, key, program->cl);
    }
    free(key);
    if (*status == CLMP_OK)
        return program;
    free(program);
    return NULL;
}

clmp_status clmp_kernel_create(clmp_context *context, const char *source, const char *macros, const char *kernel,
                               cl_kernel *out) {
    char options[MAX_OPTIONS];
    /* -w: some compilers write what they think of a vector's ABI to standard error, which is the program's alone. */
    const int length = snprintf(options, sizeof options, "-cl-std=CL1.2 -w%s", macros);
    if (length < 0 || (size_t)length >= sizeof options)
        return clmp_fail(&context->log, CLMP_BUILD_FAILED, "the options of kernel source %s are too long", source);

    pthread_mutex_lock(&context->lock);
    struct clmp_program *program = context->programs;
    while (program != NULL && (strcmp(program->source, source) != 0 || strcmp(program->options, options) != 0))
        program = program->next;
    clmp_status status = CLMP_OK;
    if (program == NULL) {
        program = build(context, source, options, kernel, &status);
        if (program != NULL) {
            program->next = context->programs;
            context->programs = program;
        }
    }
    if (program != NULL) {
        cl_int error = CL_SUCCESS;
        *out = clCreateKernel(program->cl, kernel, &error);
        if (error != CL_SUCCESS) {
            *out = NULL;
            status = clmp_fail_cl(&context->log, error, "clCreateKernel");
        }
    }
    pthread_mutex_unlock(&context->lock);
    return status;
}

void clmp_programs_release(clmp_context *context, bool ours) {
    while (context->programs != NULL) {
        struct clmp_program *program = context->programs;
        context->programs = program->next;
        if (ours)
            clReleaseProgram(program->cl);
        free(program);
    }
}
