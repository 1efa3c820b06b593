/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 256

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
    return clmp_fail(&context->log, CLMP_BUILD_FAILED, "%s.cl with %s failed to build: %s (%d)", source, options,
                     clmp_cl_error_name(error), (int)error);
}

static clmp_status build(clmp_context *context, const char *name, const char *options, struct clmp_program **out) {
    const struct clmp_source *source = find_source(name);
    if (source == NULL)
        return clmp_fail(&context->log, CLMP_BUILD_FAILED, "there is no kernel source %s.cl", name);
    struct clmp_program *program = calloc(1, sizeof *program);
    if (program == NULL)
        return clmp_fail(&context->log, CLMP_OUT_OF_MEMORY, "no memory for a program");
    program->source = source->name;
    snprintf(program->options, sizeof program->options, "%s", options);
    cl_int error = CL_SUCCESS;
    program->cl = clCreateProgramWithSource(context->cl, 1, (const char *[]){source->text},
                                            (const size_t[]){source->length}, &error);
    if (error != CL_SUCCESS) {
        free(program);
        return clmp_fail_cl(&context->log, error, "clCreateProgramWithSource");
    }
    error = clBuildProgram(program->cl, 1, &context->device, options, NULL, NULL);
    if (error != CL_SUCCESS) {
        clmp_status status = CLMP_OUT_OF_MEMORY;
        if (error == CL_OUT_OF_HOST_MEMORY)
            status = clmp_fail_cl(&context->log, error, "clBuildProgram");
        else
            status = build_failed(context, name, options, program->cl, error);
        clReleaseProgram(program->cl);
        free(program);
        return status;
    }
    *out = program;
    return CLMP_OK;
}

clmp_status clmp_kernel_create(clmp_context *context, const char *source, const char *macros, const char *kernel,
                               cl_kernel *out) {
    char options[MAX_OPTIONS];
    const int length = snprintf(options, sizeof options, "-cl-std=CL1.2%s", macros);
    if (length < 0 || (size_t)length >= sizeof options)
        return clmp_fail(&context->log, CLMP_BUILD_FAILED, "the options of %s.cl are too long", source);

    pthread_mutex_lock(&context->lock);
    struct clmp_program *program = context->programs;
    while (program != NULL && (strcmp(program->source, source) != 0 || strcmp(program->options, options) != 0))
        program = program->next;
    clmp_status status = CLMP_OK;
    if (program == NULL) {
        status = build(context, source, options, &program);
        if (status == CLMP_OK) {
            program->next = context->programs;
            context->programs = program;
        }
    }
    if (status == CLMP_OK) {
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

void clmp_programs_release(clmp_context *context) {
    while (context->programs != NULL) {
        struct clmp_program *program = context->programs;
        context->programs = program->next;
        clReleaseProgram(program->cl);
        free(program);
    }
}
