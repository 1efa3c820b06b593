/*
 * The device of tests/support/support.h without Check: a failed assertion of the tests' own functions aborts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct test_device device;
static char log_line[4096];

void _mark_point(const char *file, int line) {
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expression, const char *message, ...) {
    va_list arguments;
    fprintf(stderr, "%s:%d: %s", file, line, expression);
    if (message != NULL) {
        fputs(": ", stderr);
        va_start(arguments, message);
        vfprintf(stderr, message, arguments);
        va_end(arguments);
    }
    fputc('\n', stderr);
    abort();
}

const struct test_device *test_device(void) {
    return &device;
}

static void keep_log(void *user, const char *message) {
    (void)user;
    snprintf(log_line, sizeof log_line, "%s", message);
}

const char *last_log(void) {
    return log_line;
}

void clear_log(void) {
    log_line[0] = '\0';
}

void fuzz_device_context(const char *cache_dir) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = keep_log;
    params.cache_dir = cache_dir;
    clmp_context_destroy(device.context);
    ck_status(clmp_context_create(device.cl, device.id, &params, &device.context), CLMP_OK);
}

/* The OpenCL objects stay until the process ends. */
void fuzz_device_open(void) {
    clmp_context *opened = NULL;
    cl_int error = CL_SUCCESS;
    ck_status(clmp_context_open(getenv("CLMP_TEST_DEVICE"), NULL, &opened), CLMP_OK);
    device.cl = clmp_context_cl(opened);
    device.id = clmp_context_device(opened);
    ck_cl(clRetainContext(device.cl));
    clmp_context_destroy(opened);
    device.queue = clCreateCommandQueue(device.cl, device.id, 0, &error);
    ck_cl(error);
    ck_cl(clGetDeviceInfo(device.id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof device.max_group, &device.max_group, NULL));
    ck_cl(clGetDeviceInfo(device.id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof device.max_alloc, &device.max_alloc, NULL));
}
