/*
 * The executable and the device of every test.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <execinfo.h>
#endif

#define EXIT_SKIPPED 77
#define CASE_TIMEOUT_SECONDS 600

static struct test_device the_device;
static const struct test_device *device_in_use = &the_device;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_line[4096];

static bool is_set(const char *name) {
    const char *value = getenv(name);
    return value && *value && strcmp(value, "0") != 0;
}

bool test_small(void) {
    return is_set("CLMP_TEST_SMALL");
}

bool test_huge(void) {
    return is_set("CLMP_TEST_HUGE");
}

/* ------------------------------------------------------------------------------------------------------------ device
 */

static void keep_log(void *user, const char *message) {
    (void)user;
    pthread_mutex_lock(&log_lock);
    snprintf(log_line, sizeof log_line, "%s", message);
    pthread_mutex_unlock(&log_lock);
}

const char *last_log(void) {
    return log_line;
}

void clear_log(void) {
    pthread_mutex_lock(&log_lock);
    log_line[0] = 0;
    pthread_mutex_unlock(&log_lock);
}

const struct test_device *test_device(void) {
    return device_in_use;
}

void use_device(const struct test_device *device) {
    device_in_use = device != NULL ? device : &the_device;
}

cl_command_queue test_queue(cl_command_queue_properties properties) {
    cl_int error;
    cl_command_queue queue = clCreateCommandQueue(device_in_use->cl, device_in_use->id, properties, &error);
    return error == CL_SUCCESS ? queue : NULL;
}

/* A number from the environment, or `most`. */
static unsigned long limit_of(const char *name, unsigned long most) {
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : most;
}

bool can_tune(const clmp_tuning *tuning) {
    unsigned long widest = limit_of("CLMP_TEST_MAX_WIDTH", 16);
    unsigned long largest = limit_of("CLMP_TEST_MAX_GROUP", the_device.max_group);
    if (tuning->vector_width != 0 && tuning->vector_width * largest < 16)
        return false; /* a tile of interpolation may be 16 pixels wide */
    if (tuning->bin_memory == 2 && the_device.local_memory < 32768)
        return false;
    return tuning->group_size <= largest && tuning->bin_group <= largest && tuning->vector_width <= widest;
}

enum { MOST_DEVICES = 64 };

/* All devices of a device's platform, or all its sub-devices of one compute unit.  How many. */
static cl_uint list_parts(cl_device_id device, cl_device_id parts[MOST_DEVICES]) {
    static const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    cl_platform_id platform = NULL;
    cl_uint count = 0;
    clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    const cl_int error = is_set("CLMP_TEST_PARTS")
                             ? clCreateSubDevices(device, each, MOST_DEVICES, parts, &count)
                             : clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MOST_DEVICES, parts, &count);
    return error == CL_SUCCESS && count <= MOST_DEVICES ? count : 0;
}

/* Opens another device instead of the one that is open, as CLMP_TEST_INDEX says.  The status to exit with, or 0. */
static int open_part(const clmp_context_params *params) {
    const unsigned long index = limit_of("CLMP_TEST_INDEX", 0);
    cl_device_id parts[MOST_DEVICES];
    cl_int error = CL_SUCCESS;
    const cl_uint count = list_parts(clmp_context_device(the_device.context), parts);
    clmp_context *whole = the_device.context;
    if (index >= count) {
        fprintf(stderr, "there are %u such devices\n", (unsigned)count);
        return EXIT_SKIPPED;
    }
    cl_context cl = clCreateContext(NULL, count, parts, NULL, NULL, &error);
    clmp_status status = CLMP_OPENCL_ERROR;
    if (error == CL_SUCCESS) {
        status = clmp_context_create(cl, parts[index], params, &the_device.context);
        clReleaseContext(cl);
    }
    if (status != CLMP_OK) {
        fprintf(stderr, "device %lu: %s (%s)\n", index, clmp_status_text(status), log_line);
        return EXIT_FAILURE;
    }
    clmp_context_destroy(whole);
    return 0;
}

/* The status to exit with, or 0 when the context of a device is open. */
static int open_context(const char *name, const clmp_context_params *params, clmp_context **context) {
    clmp_status status = clmp_context_open(name, params, context);
    if (status != CLMP_OK) {
        bool absent = status == CLMP_NO_DEVICE || status == CLMP_DEVICE_NOT_FOUND;
        fprintf(stderr, "no device '%s': %s (%s)\n", name ? name : "", clmp_status_text(status), log_line);
        return name && *name && absent ? EXIT_SKIPPED : EXIT_FAILURE;
    }
    return 0;
}

/* What a device's context says of it, and its queue.  The status to exit with, or 0. */
static int ask_device(struct test_device *device) {
    cl_int error = CL_SUCCESS;
    device->cl = clmp_context_cl(device->context);
    device->id = clmp_context_device(device->context);
    device->queue = clCreateCommandQueue(device->cl, device->id, 0, &error);
    clGetDeviceInfo(device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof device->max_group, &device->max_group, NULL);
    clGetDeviceInfo(device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof device->max_alloc, &device->max_alloc, NULL);
    clGetDeviceInfo(device->id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof device->local_memory, &device->local_memory, NULL);
    return error == CL_SUCCESS ? 0 : EXIT_FAILURE;
}

/* Whether the device takes a subnormal for 0 as it compares.  An error is a no. */
static bool flushes(const struct test_device *device) {
    static const char *source = "kernel void flushes(float x, global int *y) { *y = x >= 0.0f; }";
    const float subnormal = -1e-40f;
    const size_t one = 1;
    cl_int error = CL_SUCCESS, same = 0;
    cl_mem y = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, sizeof same, NULL, &error);
    cl_program program = clCreateProgramWithSource(device->cl, 1, &source, NULL, &error);
    cl_kernel kernel = NULL;
    if (clBuildProgram(program, 0, NULL, NULL, NULL, NULL) == CL_SUCCESS)
        kernel = clCreateKernel(program, "flushes", &error);
    clSetKernelArg(kernel, 0, sizeof subnormal, &subnormal);
    clSetKernelArg(kernel, 1, sizeof y, &y);
    clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &one, NULL, 0, NULL, NULL);
    clEnqueueReadBuffer(device->queue, y, CL_TRUE, 0, sizeof same, &same, 0, NULL, NULL);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
    clReleaseMemObject(y);
    return same == 1;
}

/* The status to exit with, or 0 when the device is open. */
static int open_device(void) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = keep_log;
    int status = open_context(getenv("CLMP_TEST_DEVICE"), &params, &the_device.context);
    if (status == 0 && getenv("CLMP_TEST_INDEX") != NULL)
        status = open_part(&params);
    if (status == 0)
        status = ask_device(&the_device);
    if (status == 0 && is_set("CLMP_TEST_FLUSHES") && !flushes(&the_device)) {
        fprintf(stderr, "this device does not take subnormals for 0\n");
        return EXIT_SKIPPED;
    }
    return status;
}

int open_other_device(struct test_device *other) {
    const char *name = getenv("CLMP_TEST_OTHER");
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = keep_log;
    memset(other, 0, sizeof *other);
    const int status = open_context(name != NULL && *name ? name : "llvmpipe", &params, &other->context);
    return status != 0 ? status : ask_device(other);
}

void close_device(struct test_device *device) {
    clReleaseCommandQueue(device->queue);
    clmp_context_destroy(device->context);
}

/* -------------------------------------------------------------------------------------------------------- executable
 */

TCase *add_case(Suite *suite, const char *name, const char *tags) {
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, CASE_TIMEOUT_SECONDS);
    tcase_set_tags(tcase, tags);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int test_next_case(const char *test, int from, int to) {
    const char *text = getenv("CLMP_TEST_FRACTION");
    unsigned which = 0, of = 1;
    if (text && *text && (sscanf(text, "%u/%u", &which, &of) != 2 || which >= of)) {
        fprintf(stderr, "CLMP_TEST_FRACTION is %s, not K/N with K from 0 to N - 1\n", text);
        exit(EXIT_FAILURE);
    }
    struct rng rng = rng_for(test, 0);
    const unsigned first = (unsigned)rng_below(&rng, of);
    while (from < to && ((unsigned)from + first) % of != which)
        from++;
    return from;
}

int host_test_main(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* an OpenCL runtime does not survive a fork */
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    if (is_set("CLMP_TEST_REPORT"))
        accuracy_report();
    if (failed)
        printf("CLMP_TEST_SEED=%llu\n", (unsigned long long)test_seed());
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#if defined(__GLIBC__)
/* Where a crash was: of one that comes once in a hundred runs, in a driver or in us, this is all that is left. */
static void on_crash(int number) {
    static const char text[] = "crashed; where, innermost first:\n";
    void *frames[64];
    const int count = backtrace(frames, (int)(sizeof frames / sizeof *frames));
    if (write(STDERR_FILENO, text, sizeof text - 1) > 0)
        backtrace_symbols_fd(frames, count, STDERR_FILENO);
    (void)raise(number); /* once more, as if nobody had looked */
}

/* Of the signals that nobody looks at: a sanitizer has a report of its own. */
static void tell_crashes(void) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    void *frame;
    (void)backtrace(&frame, 1); /* loads what it needs, which a handler could not */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        struct sigaction old;
        const struct sigaction tell = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            (void)sigaction(numbers[i], &tell, NULL);
    }
}
#else
static void tell_crashes(void) {
}
#endif

int test_main(Suite *suite) {
    tell_crashes();
    int status = open_device();
    if (status) /* the suite is left to the process's end, which comes now */
        return status;
    status = host_test_main(suite);
    close_device(&the_device);
    return status;
}
