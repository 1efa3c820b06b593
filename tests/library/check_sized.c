/*
 * Structs that carry their size: what is refused, by every entry that takes one, and what is written into a caller's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "core/log.h"   /* hidden in the library, as sized.h is */
#include "core/sized.h" /* hidden in the library: compiled into this program once more */
#include "guarded.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 2, PIXELS = 8, MEMORY = 4096, MOST_SIZE = 4096 }; /* bytes, but the first two */

static char message[1024]; /* the last one to the log, of any context */

static void keep_message(void *user, const char *text) {
    (void)user;
    snprintf(message, sizeof message, "%s", text);
}

/* What enqueues need: a context with its log here, a plan of each input, and a buffer for each place. */
static struct {
    clmp_context *context;
    clmp_plan *plans[3]; /* by clmp_input */
    cl_mem memory[8];
    clmp_buffers buffers;
} bench;

static void set_plan_params(void *struct_of_any_size) {
    clmp_plan_params *params = struct_of_any_size;
    params->classes = CLASSES;
    params->height = 1;
    params->width = PIXELS;
}

static void bench_open(void) {
    const struct test_device *device = test_device();
    clmp_context_params context_params;
    clmp_context_params_init(&context_params);
    context_params.log = keep_message;
    ck_status(clmp_context_create(device->cl, device->id, &context_params, &bench.context), CLMP_OK);
    for (int input = CLMP_INPUT_LOGITS; input <= CLMP_INPUT_LABELS; input++) {
        clmp_plan_params params;
        clmp_plan_params_init(&params);
        set_plan_params(&params);
        params.input = (clmp_input)input;
        ck_status(clmp_plan_create(bench.context, &params, &bench.plans[input]), CLMP_OK);
    }
    for (size_t i = 0; i < sizeof bench.memory / sizeof *bench.memory; i++) {
        const cl_uint zero = 0;
        cl_int error = CL_SUCCESS;
        bench.memory[i] = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, MEMORY, NULL, &error);
        ck_cl(error);
        ck_cl(clEnqueueFillBuffer(device->queue, bench.memory[i], &zero, sizeof zero, 0, MEMORY, 0, NULL, NULL));
    }
    clmp_buffers_init(&bench.buffers);
    clmp_buffer *const places[] = {&bench.buffers.logits,       &bench.buffers.labels,   &bench.buffers.losses,
                                   &bench.buffers.weights,      &bench.buffers.gradient, &bench.buffers.result,
                                   &bench.buffers.label_counts, &bench.buffers.confusion};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        places[i]->mem = bench.memory[i];
}

static void bench_close(void) {
    ck_cl(clFinish(test_device()->queue));
    for (size_t i = 0; i < sizeof bench.memory / sizeof *bench.memory; i++)
        ck_cl(clReleaseMemObject(bench.memory[i]));
    for (size_t i = 0; i < sizeof bench.plans / sizeof *bench.plans; i++)
        clmp_plan_destroy(bench.plans[i]);
    clmp_context_destroy(bench.context);
}

/* ------------------------------------------------------------------------------------------------------------ entries
 */

static void init_context_params(void *params, size_t size) {
    clmp_context_params_init_sized(params, size);
}

static void init_plan_params(void *params, size_t size) {
    clmp_plan_params_init_sized(params, size);
}

static void init_buffers(void *buffers, size_t size) {
    clmp_buffers_init_sized(buffers, size);
}

static void init_class_weights_params(void *params, size_t size) {
    clmp_class_weights_params_init_sized(params, size);
}

static void set_context_params(void *params) {
    ((clmp_context_params *)params)->log = keep_message;
}

static void set_buffers(void *to) {
    clmp_buffers *buffers = to;
    const size_t size = buffers->struct_size;
    memcpy(to, &bench.buffers, size < sizeof bench.buffers ? size : sizeof bench.buffers);
    buffers->struct_size = size;
}

static void set_nothing(void *params) {
    (void)params;
}

static clmp_status call_create(const void *params) {
    clmp_context *context = NULL;
    const clmp_status status = clmp_context_create(test_device()->cl, test_device()->id, params, &context);
    ck_assert((status == CLMP_OK) == (context != NULL));
    clmp_context_destroy(context);
    return status;
}

static clmp_status call_open(const void *params) {
    clmp_context *context = NULL;
    const clmp_status status = clmp_context_open(NULL, params, &context);
    ck_assert((status == CLMP_OK) == (context != NULL));
    clmp_context_destroy(context);
    return status;
}

static clmp_status call_plan(const void *params) {
    clmp_plan *plan = NULL;
    const clmp_status status = clmp_plan_create(bench.context, params, &plan);
    ck_assert((status == CLMP_OK) == (plan != NULL));
    clmp_plan_destroy(plan);
    return status;
}

static clmp_status call_class_weights(const void *params) {
    static const uint64_t counts[CLMP_LABEL_COUNTS(CLASSES)] = {6, 2, 8, 8, 0, 0, 1};
    float weights[CLASSES] = {7.0f, 7.0f};
    const clmp_status status = clmp_class_weights(counts, CLASSES, params, weights);
    ck_assert((weights[1] == 2.0f) == (status == CLMP_OK) && (weights[1] == 7.0f) == (status != CLMP_OK));
    return status;
}

#define ENQUEUE(entry, input)                                                                                          \
    static clmp_status call_##entry(const void *buffers) {                                                             \
        cl_event event = NULL;                                                                                         \
        const clmp_status status =                                                                                     \
            clmp_enqueue_##entry(bench.plans[input], test_device()->queue, buffers, 0, NULL, &event);                  \
        ck_assert((status == CLMP_OK) == (event != NULL));                                                             \
        if (event != NULL)                                                                                             \
            ck_cl(clReleaseEvent(event));                                                                              \
        return status;                                                                                                 \
    }
ENQUEUE(weights, CLMP_INPUT_LOSSES)
ENQUEUE(loss, CLMP_INPUT_LOGITS)
ENQUEUE(gradient, CLMP_INPUT_LOGITS)
ENQUEUE(label_counts, CLMP_INPUT_LABELS)
ENQUEUE(confusion, CLMP_INPUT_LOGITS)

enum told { ALWAYS, WHERE_INITIALISED, NEVER }; /* whether there is a log to tell */

static const struct taker {
    const char *name;
    size_t size, first; /* bytes: in this header, in the first ABI (0: not known for this machine) */
    void (*init)(void *to, size_t size);
    void (*set)(void *to);
    clmp_status (*call)(const void *from);
    enum told told;
} entries[] = {
    {"context_params", sizeof(clmp_context_params), 32, init_context_params, set_context_params, call_create,
     WHERE_INITIALISED},
    {"context_params", sizeof(clmp_context_params), 32, init_context_params, set_context_params, call_open,
     WHERE_INITIALISED},
    {"plan_params", sizeof(clmp_plan_params), 272, init_plan_params, set_plan_params, call_plan, ALWAYS},
    {"class_weights_params", sizeof(clmp_class_weights_params), 40, init_class_weights_params, set_nothing,
     call_class_weights, NEVER},
    {"buffers", sizeof(clmp_buffers), 168, init_buffers, set_buffers, call_weights, ALWAYS},
    {"buffers", sizeof(clmp_buffers), 168, init_buffers, set_buffers, call_loss, ALWAYS},
    {"buffers", sizeof(clmp_buffers), 168, init_buffers, set_buffers, call_gradient, ALWAYS},
    {"buffers", sizeof(clmp_buffers), 168, init_buffers, set_buffers, call_label_counts, ALWAYS},
    {"buffers", sizeof(clmp_buffers), 168, init_buffers, set_buffers, call_confusion, ALWAYS},
};
enum { ENTRIES = sizeof entries / sizeof *entries };

/* A good struct of `size` bytes at the end of its memory. */
static unsigned char *good_struct(const struct taker *entry, size_t size) {
    unsigned char *memory = guarded_new(size);
    entry->init(memory, size);
    entry->set(memory);
    return memory;
}

/* A struct that is good but for the size that it states; its memory holds no more than a whole one. */
static void assert_size_is_refused(const struct taker *entry, size_t stated) {
    unsigned char *memory = good_struct(entry, entry->size);
    char want[256];
    memcpy(memory, &stated, sizeof stated);
    message[0] = '\0';
    ck_status(entry->call(memory), CLMP_INVALID_ARGUMENT);
    snprintf(want, sizeof want, "%s: struct_size is %zu, at %s %zu was expected: was clmp_%s_init() called?",
             entry->name, stated, stated < entry->first ? "least" : "most",
             stated < entry->first ? entry->first : (size_t)MOST_SIZE, entry->name);
    ck_assert_str_eq(message, entry->told == ALWAYS ? want : "");
    guarded_free(memory, entry->size);
}

START_TEST(sizes_below_the_first_or_absurd_are_refused) {
    const struct taker *entry = &entries[_i];
    if (sizeof(void *) != 8) /* `first` is that of 64 bits */
        return;
    const size_t bad[] = {
        0, 1, sizeof(size_t), entry->first / 2, entry->first - 1, MOST_SIZE + 1, 0x5a5a5a5a, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_size_is_refused(entry, bad[i]);
}
END_TEST

START_TEST(larger_structs_are_taken_where_what_is_unknown_is_0) {
    const struct taker *entry = &entries[_i];
    const size_t sizes[] = {entry->size, entry->size + 1, entry->size + 8, entry->size + 100, MOST_SIZE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory = good_struct(entry, sizes[i]);
        message[0] = '\0';
        ck_status(entry->call(memory), CLMP_OK);
        ck_assert_str_eq(message, "");
        guarded_free(memory, sizes[i]);
    }
}
END_TEST

START_TEST(unknown_parameters_that_are_set_are_refused) {
    const struct taker *entry = &entries[_i];
    const size_t sizes[] = {entry->size + 1, entry->size + 8, entry->size + 100, MOST_SIZE};
    char want[256];
    snprintf(want, sizeof want, "%s: a parameter is set that this library (%s) does not know", entry->name,
             clmp_version());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory = good_struct(entry, sizes[i]);
        const size_t set[] = {entry->size, (entry->size + sizes[i]) / 2, sizes[i] - 1};
        for (size_t j = 0; j < sizeof set / sizeof *set; j++) {
            memory[set[j]] = 0x80;
            message[0] = '\0';
            ck_status(entry->call(memory), CLMP_INVALID_ARGUMENT);
            ck_assert_str_eq(message, entry->told == NEVER ? "" : want);
            memory[set[j]] = 0;
        }
        guarded_free(memory, sizes[i]);
    }
}
END_TEST

/* As if the first ABI had ended earlier: every size up to today's is that of some caller. */
START_TEST(what_a_smaller_struct_lacks_is_default) {
    const size_t first = offsetof(clmp_plan_params, focal_gamma);
    const struct clmp_log log = {keep_message, NULL};
    for (size_t size = first; size <= sizeof(clmp_plan_params); size += 8) {
        clmp_plan_params *params = guarded_new(size), own;
        clmp_plan_params_init_sized(params, size);
        params->p = 2.5;
        if (size > first)
            params->focal_gamma = 3.5;
        const bool has_pitch = size > offsetof(clmp_plan_params, logits_row_pitch);
        if (has_pitch)
            params->logits_row_pitch = 64;
        const bool has_normalise = size > offsetof(clmp_plan_params, normalise);
        if (has_normalise)
            params->normalise = CLMP_NORMALISE_WEIGHTS;
        clmp_plan_params_init(&own);
        ck_status(clmp_sized_take(params, first, &own, "plan_params", &log), CLMP_OK);
        ck_assert(own.struct_size == sizeof own && own.p == 2.5 && own.focal_alpha == -1.0);
        ck_assert(own.focal_gamma == (size > first ? 3.5 : 2.0));
        ck_assert(own.logits_row_pitch == (has_pitch ? 64 : 0));
        ck_assert((own.normalise == CLMP_NORMALISE_WEIGHTS) == has_normalise && own.ranks == NULL);
        guarded_free(params, size);
    }
}
END_TEST

START_TEST(absent_params_are_defaults_where_they_may_be) {
    clmp_context_params_init(NULL);
    clmp_plan_params_init(NULL);
    clmp_buffers_init(NULL);
    clmp_class_weights_params_init(NULL);
    ck_status(call_create(NULL), CLMP_OK);
    ck_status(call_open(NULL), CLMP_OK);
    ck_status(call_class_weights(NULL), CLMP_OK);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- what is written
 */

START_TEST(init_writes_the_size_given_and_no_more) {
    static const struct taker *const kinds[] = {&entries[0], &entries[2], &entries[3], &entries[4]};
    const struct taker *entry = kinds[_i];
    for (size_t size = 0; size <= entry->size + 24; size++) {
        unsigned char *memory = guarded_new(entry->size + 32);
        entry->init(memory, size);
        for (size_t i = size; i < entry->size + 32; i++)
            ck_assert_msg(memory[i] == 0xa5, "%s of %zu bytes: byte %zu is written", entry->name, size, i);
        for (size_t i = entry->size; i < size; i++)
            ck_assert_msg(memory[i] == 0, "%s of %zu bytes: byte %zu is not 0", entry->name, size, i);
        if (size >= sizeof size)
            ck_assert(memcmp(memory, &size, sizeof size) == 0);
        guarded_free(memory, entry->size + 32);
    }
    /* the last parameter that is not 0 by default, in a struct that ends with it */
    clmp_plan_params *params = guarded_new(sizeof *params);
    clmp_plan_params_init_sized(params, offsetof(clmp_plan_params, focal_alpha) + sizeof params->focal_alpha);
    ck_assert(params->focal_alpha == -1.0 && (int)params->logits_type == (int)0xa5a5a5a5);
    guarded_free(params, sizeof *params);
}
END_TEST

START_TEST(devices_are_listed_at_the_stride_given) {
    enum { MOST = 4 };
    static const size_t more[] = {0, 8, 1000};
    clmp_device_info known[MOST];
    size_t count = 0, again = 0;
    memset(known, 0, sizeof known);
    ck_status(clmp_list_devices(known, MOST, &count), CLMP_OK);
    const size_t listed = count < MOST ? count : MOST;
    ck_assert(listed > 0);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const size_t stride = sizeof *known + more[i];
        unsigned char *memory = guarded_new(listed * stride);
        ck_status(clmp_list_devices_sized((clmp_device_info *)(void *)memory, stride, listed, &again), CLMP_OK);
        ck_assert(again == count);
        for (size_t j = 0; j < listed; j++) {
            const clmp_device_info *info = (const clmp_device_info *)(const void *)(memory + j * stride);
            ck_assert(info->device == known[j].device && info->supported == known[j].supported);
            ck_assert_str_eq(info->driver, known[j].driver);
            for (size_t k = sizeof *known; k < stride; k++)
                ck_assert(memory[j * stride + k] == 0);
        }
        guarded_free(memory, listed * stride);
    }
    const size_t bad[] = {0, 1, 567, MOST_SIZE + 1, SIZE_MAX}; /* 568: the first ABI's, on 64 bits */
    for (size_t i = 0; i < sizeof bad / sizeof *bad && sizeof(void *) == 8; i++) {
        again = 77;
        ck_status(clmp_list_devices_sized(known, bad[i], 1, &again), CLMP_INVALID_ARGUMENT);
        ck_status(clmp_list_devices_sized(NULL, bad[i], 0, &again), CLMP_INVALID_ARGUMENT);
        ck_assert(again == 77);
    }
}
END_TEST

START_TEST(metrics_have_the_size_given) {
    static const uint64_t confusion[CLMP_CONFUSION(CLASSES)] = {5, 1, 0, 2};
    static const size_t more[] = {0, 8, 1000};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const size_t size = sizeof(clmp_metrics) + more[i];
        clmp_metrics *metrics = guarded_new(size);
        ck_status(clmp_confusion_metrics_sized(confusion, CLASSES, metrics, size, NULL, NULL), CLMP_OK);
        ck_assert(metrics->pixels == 8 && metrics->correct == 7 && metrics->pixel_accuracy == 0.875);
        ck_assert_double_eq_tol(metrics->mean_iou, 0.75, 1e-15);
        for (size_t j = sizeof *metrics; j < size; j++)
            ck_assert(((const unsigned char *)metrics)[j] == 0);
        guarded_free(metrics, size);
    }
    const size_t bad[] = {0, 1, 55, MOST_SIZE + 1, SIZE_MAX}; /* 56: the first ABI's */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clmp_metrics metrics = {.pixels = 77};
        double iou[CLASSES] = {7.0, 7.0};
        ck_status(clmp_confusion_metrics_sized(confusion, CLASSES, &metrics, bad[i], iou, NULL), CLMP_INVALID_ARGUMENT);
        ck_assert(metrics.pixels == 77 && iou[0] == 7.0);
    }
}
END_TEST

/* What a message says of an error of OpenCL's: each code of version 1.2 by its name, and others by a number. */
START_TEST(errors_of_opencl_are_told_by_name) {
#define NAMED(code)                                                                                                    \
    { code, #code }
    static const struct {
        cl_int code;
        const char *name;
    } known[] = {
        NAMED(CL_SUCCESS),
        NAMED(CL_DEVICE_NOT_FOUND),
        NAMED(CL_DEVICE_NOT_AVAILABLE),
        NAMED(CL_COMPILER_NOT_AVAILABLE),
        NAMED(CL_MEM_OBJECT_ALLOCATION_FAILURE),
        NAMED(CL_OUT_OF_RESOURCES),
        NAMED(CL_OUT_OF_HOST_MEMORY),
        NAMED(CL_PROFILING_INFO_NOT_AVAILABLE),
        NAMED(CL_MEM_COPY_OVERLAP),
        NAMED(CL_BUILD_PROGRAM_FAILURE),
        NAMED(CL_MISALIGNED_SUB_BUFFER_OFFSET),
        NAMED(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
        NAMED(CL_COMPILE_PROGRAM_FAILURE),
        NAMED(CL_LINKER_NOT_AVAILABLE),
        NAMED(CL_LINK_PROGRAM_FAILURE),
        NAMED(CL_INVALID_VALUE),
        NAMED(CL_INVALID_DEVICE_TYPE),
        NAMED(CL_INVALID_PLATFORM),
        NAMED(CL_INVALID_DEVICE),
        NAMED(CL_INVALID_CONTEXT),
        NAMED(CL_INVALID_QUEUE_PROPERTIES),
        NAMED(CL_INVALID_COMMAND_QUEUE),
        NAMED(CL_INVALID_HOST_PTR),
        NAMED(CL_INVALID_MEM_OBJECT),
        NAMED(CL_INVALID_BINARY),
        NAMED(CL_INVALID_BUILD_OPTIONS),
        NAMED(CL_INVALID_PROGRAM),
        NAMED(CL_INVALID_PROGRAM_EXECUTABLE),
        NAMED(CL_INVALID_KERNEL_NAME),
        NAMED(CL_INVALID_KERNEL_DEFINITION),
        NAMED(CL_INVALID_KERNEL),
        NAMED(CL_INVALID_ARG_INDEX),
        NAMED(CL_INVALID_ARG_VALUE),
        NAMED(CL_INVALID_ARG_SIZE),
        NAMED(CL_INVALID_KERNEL_ARGS),
        NAMED(CL_INVALID_WORK_DIMENSION),
        NAMED(CL_INVALID_WORK_GROUP_SIZE),
        NAMED(CL_INVALID_WORK_ITEM_SIZE),
        NAMED(CL_INVALID_GLOBAL_OFFSET),
        NAMED(CL_INVALID_EVENT_WAIT_LIST),
        NAMED(CL_INVALID_EVENT),
        NAMED(CL_INVALID_OPERATION),
        NAMED(CL_INVALID_BUFFER_SIZE),
        NAMED(CL_INVALID_GLOBAL_WORK_SIZE),
        NAMED(CL_INVALID_PROPERTY),
        NAMED(CL_INVALID_COMPILER_OPTIONS),
        NAMED(CL_INVALID_LINKER_OPTIONS),
        {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
    };
#undef NAMED
    const struct clmp_log log = {keep_message, NULL};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, "f failed: %s (%d)", known[i].name, (int)known[i].code);
        const clmp_status status = clmp_fail_cl(&log, known[i].code, "f");
        ck_assert(status == CLMP_OPENCL_ERROR || status == CLMP_OUT_OF_MEMORY);
        ck_assert_str_eq(message, expected);
    }
    ck_status(clmp_fail_cl(&log, -12345, "f"), CLMP_OPENCL_ERROR);
    ck_assert_str_eq(message, "f failed: an OpenCL error without a name (-12345)");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sized");
    TCase *tcase = add_case(suite, "structs that are read", "full quick small");
    tcase_add_unchecked_fixture(tcase, bench_open, bench_close);
    tcase_add_loop_test(tcase, sizes_below_the_first_or_absurd_are_refused, 0, ENTRIES);
    tcase_add_loop_test(tcase, larger_structs_are_taken_where_what_is_unknown_is_0, 0, ENTRIES);
    tcase_add_loop_test(tcase, unknown_parameters_that_are_set_are_refused, 0, ENTRIES);
    tcase_add_test(tcase, what_a_smaller_struct_lacks_is_default);
    tcase_add_test(tcase, absent_params_are_defaults_where_they_may_be);
    tcase = add_case(suite, "structs that are written", "full quick small");
    tcase_add_loop_test(tcase, init_writes_the_size_given_and_no_more, 0, 4);
    tcase_add_test(tcase, devices_are_listed_at_the_stride_given);
    tcase_add_test(tcase, metrics_have_the_size_given);
    tcase = add_case(suite, "messages", "full quick small");
    tcase_add_test(tcase, errors_of_opencl_are_told_by_name);
    return test_main(suite);
}
