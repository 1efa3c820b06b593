/*
 * A program and a library that were compiled with headers of different versions understand each other.
 *
 * Built with the first ABI's header and with a later one (CLMP_TEST_LATER), and linked to this library and to one that
 * was built with the later header.  Every struct lies before a page that cannot be touched.  Without Check's and the
 * other tests' support, which are compiled with the header of now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "clmp/clmp.h"

#include "guarded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned checks, failures;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool good, const char *what, int line) {
    checks++;
    if (good)
        return;
    failures++;
    printf("check_abi.c:%d: %s\n", line, what);
}

static char message[1024];

static void keep_message(void *user, const char *text) {
    (void)user;
    snprintf(message, sizeof message, "%s", text);
}

/* A parameter that only the later header has, and the library does not know: the call is refused, and says why. */
#ifdef CLMP_TEST_LATER
#define CHECK_UNKNOWN(params, call, told)                                                                              \
    do {                                                                                                               \
        CHECK((params)->later_1 == 0 && (params)->later_2 == 0);                                                       \
        (params)->later_2 = 1;                                                                                         \
        message[0] = '\0';                                                                                             \
        CHECK((call) == CLMP_INVALID_ARGUMENT);                                                                        \
        CHECK((strstr(message, "does not know") != NULL) == (told));                                                   \
        (params)->later_2 = 0;                                                                                         \
    } while (0)
#define CHECK_NOT_FILLED(written) CHECK((written)->later_1 == 0 && (written)->later_2 == 0)
#else
#define CHECK_UNKNOWN(params, call, told) (void)0
#define CHECK_NOT_FILLED(written) (void)0
#endif

/* -------------------------------------------------------------------------------------------------------- the program
 */

enum { CLASSES = 2, PIXELS = 8 };

struct program {
    clmp_context *context;
    cl_command_queue queue;
    cl_mem logits, labels, gradient, result, counts, confusion;
};

static void list_devices(void) {
    size_t count = 0;
    CHECK(clmp_list_devices(NULL, 0, &count) == CLMP_OK && count > 0);
    if (count == 0)
        return;
    clmp_device_info *infos = guarded_new(count * sizeof *infos);
    CHECK(clmp_list_devices(infos, count, &count) == CLMP_OK);
    for (size_t i = 0; i < count; i++) {
        char name[128] = "";
        CHECK(clGetDeviceInfo(infos[i].device, CL_DEVICE_NAME, sizeof name, name, NULL) == CL_SUCCESS);
        CHECK(strcmp(infos[i].name, name) == 0 && infos[i].compute_units > 0 && infos[i].supported <= 1);
        CHECK_NOT_FILLED(&infos[i]);
    }
    guarded_free(infos, count * sizeof *infos);
}

static cl_mem buffer_of(const struct program *program, size_t size, const void *bytes) {
    cl_int error = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clmp_context_cl(program->context), CL_MEM_READ_WRITE, size, NULL, &error);
    CHECK(error == CL_SUCCESS);
    if (bytes != NULL)
        CHECK(clEnqueueWriteBuffer(program->queue, mem, CL_TRUE, 0, size, bytes, 0, NULL, NULL) == CL_SUCCESS);
    return mem;
}

static void read_back(const struct program *program, cl_mem mem, size_t size, void *bytes) {
    CHECK(clEnqueueReadBuffer(program->queue, mem, CL_TRUE, 0, size, bytes, 0, NULL, NULL) == CL_SUCCESS);
}

/* False: there is no device to go on with. */
static bool open_program(struct program *program) {
    static const float logits[CLASSES][PIXELS] = {{5, 4, 6, 5, 4, 5, 3, 1}, {0, 0, 0, 0, 0, 0, 0, 2}};
    static const unsigned char labels[PIXELS] = {0};
    static const uint64_t counts[CLMP_LABEL_COUNTS(CLASSES)] = {0}, confusion[CLMP_CONFUSION(CLASSES)] = {0};
    const char *device = getenv("CLMP_TEST_DEVICE");
    clmp_context_params *params = guarded_new(sizeof *params);
    clmp_context_params_init(params);
    CHECK(params->log == NULL && params->log_user == NULL && params->cache_dir == NULL);
    params->log = keep_message;
    params->cache_dir = "";
    CHECK_UNKNOWN(params, clmp_context_open(device, params, &program->context), true);
    CHECK(clmp_context_open(device, params, &program->context) == CLMP_OK);
    if (program->context == NULL)
        return false;
    clmp_context *other = NULL;
    const cl_context cl = clmp_context_cl(program->context);
    CHECK_UNKNOWN(params, clmp_context_create(cl, clmp_context_device(program->context), params, &other), true);
    CHECK(clmp_context_create(cl, clmp_context_device(program->context), params, &other) == CLMP_OK);
    clmp_context_destroy(other);
    guarded_free(params, sizeof *params);

    cl_int error = CL_SUCCESS;
    program->queue = clCreateCommandQueue(cl, clmp_context_device(program->context), 0, &error);
    CHECK(error == CL_SUCCESS);
    program->logits = buffer_of(program, sizeof logits, logits);
    program->labels = buffer_of(program, sizeof labels, labels);
    program->gradient = buffer_of(program, sizeof logits, NULL);
    program->result = buffer_of(program, sizeof(clmp_result), NULL);
    program->counts = buffer_of(program, sizeof counts, counts);
    program->confusion = buffer_of(program, sizeof confusion, confusion);
    return true;
}

static void close_program(struct program *program) {
    const cl_mem mems[] = {program->logits, program->labels, program->gradient,
                           program->result, program->counts, program->confusion};
    for (size_t i = 0; i < sizeof mems / sizeof *mems; i++)
        CHECK(clReleaseMemObject(mems[i]) == CL_SUCCESS);
    CHECK(clReleaseCommandQueue(program->queue) == CL_SUCCESS);
    clmp_context_destroy(program->context);
}

static clmp_plan_params *params_new(void) {
    clmp_plan_params *params = guarded_new(sizeof *params);
    clmp_plan_params_init(params);
    CHECK(params->images == 1 && params->p == 1.7 && params->ohem_min_kept == 100000 && params->focal_alpha == -1.0);
    CHECK(params->logits_layout == CLMP_LAYOUT_NCHW && params->logits_row_pitch == 0);
    params->classes = CLASSES;
    params->height = 1;
    params->width = PIXELS;
    return params;
}

static clmp_plan *plan_of(const struct program *program, clmp_plan_params *params) {
    clmp_plan *plan = NULL;
    CHECK_UNKNOWN(params, clmp_plan_create(program->context, params, &plan), true);
    CHECK(clmp_plan_create(program->context, params, &plan) == CLMP_OK);
    guarded_free(params, sizeof *params);
    return plan;
}

static clmp_buffers *buffers_new(void) {
    clmp_buffers *buffers = guarded_new(sizeof *buffers);
    clmp_buffers_init(buffers);
    CHECK(buffers->logits.mem == NULL && buffers->workspace.mem == NULL && buffers->step == 0);
    CHECK(buffers->gradient_scale == 1.0f && !buffers->in_place);
    return buffers;
}

/* The README's example, whose numbers are known, with a loss scale of 4. */
static void compute_gradient(const struct program *program) {
    clmp_plan *plan = plan_of(program, params_new());
    clmp_buffers *buffers = buffers_new();
    buffers->logits.mem = program->logits;
    buffers->labels.mem = program->labels;
    buffers->gradient.mem = program->gradient;
    buffers->result.mem = program->result;
    buffers->gradient_scale = 4.0f;
    CHECK_UNKNOWN(buffers, clmp_enqueue_gradient(plan, program->queue, buffers, 0, NULL, NULL), true);
    CHECK(clmp_enqueue_gradient(plan, program->queue, buffers, 0, NULL, NULL) == CLMP_OK);
    clmp_result result;
    float gradient[CLASSES][PIXELS];
    read_back(program, program->result, sizeof result, &result);
    read_back(program, program->gradient, sizeof gradient, gradient);
    CHECK(fabs((double)result.loss - 0.385874) < 1e-6 && result.support == 1 && result.valid == PIXELS);
    CHECK(result.ignored == 0 && result.invalid_labels == 0 && result.nonfinite == 0 && result.pixels == PIXELS);
    /* the pixel that is wrong has the full weight, tau, and class 1 the probability e / (1 + e) */
    CHECK(fabs((double)gradient[1][7] - 4.0 * (double)result.tau * 0.73105858) < 1e-6);
    for (int i = 0; i < PIXELS; i++)
        CHECK(fabsf(gradient[0][i] + gradient[1][i]) < 1e-6f && gradient[1][i] > 0.0f);
    guarded_free(buffers, sizeof *buffers);
    clmp_plan_destroy(plan);
}

/* Fields from the middle of the params to their end: the hardest pixel alone, in its stored bits. */
static void compute_hardest(const struct program *program) {
    clmp_plan_params *params = params_new();
    params->weighting = CLMP_WEIGHTING_TOPK;
    params->topk_count = 1;
    params->loss = CLMP_LOSS_FOCAL;
    params->focal_gamma = 0.0;
    params->focal_alpha = 0.5;
    params->logits_row_pitch = PIXELS * sizeof(float);
    params->tuning.vector_width = 2;
    clmp_plan *plan = plan_of(program, params);
    const clmp_tuning tuning = clmp_plan_tuning(plan);
    enum { LAST = sizeof tuning.reserved / sizeof *tuning.reserved - 1 };
    CHECK(tuning.vector_width == 2 && tuning.group_size > 0 && tuning.streaming > 0 && tuning.reserved[LAST] == 0);
    CHECK(clmp_plan_workspace_size(plan) > 0 && clmp_plan_result_count(plan) == 1);
    clmp_buffers *buffers = buffers_new();
    buffers->logits.mem = program->logits;
    buffers->labels.mem = program->labels;
    buffers->gradient.mem = program->logits;
    buffers->result.mem = program->result;
    buffers->in_place = true; /* the struct's last field */
    clmp_enqueue_gradient(plan, program->queue, buffers, 0, NULL, NULL);
    clmp_result result;
    read_back(program, program->result, sizeof result, &result);
    CHECK(fabs((double)result.loss - 0.5 * 1.3132617) < 1e-6 && result.support == 1);
    guarded_free(buffers, sizeof *buffers);
    clmp_plan_destroy(plan);
}

static void weigh_classes(const struct program *program) {
    clmp_plan_params *params = params_new();
    params->input = CLMP_INPUT_LABELS;
    clmp_plan *plan = plan_of(program, params);
    clmp_buffers *buffers = buffers_new();
    buffers->labels.mem = program->labels;
    buffers->label_counts.mem = program->counts;
    CHECK(clmp_enqueue_label_counts(plan, program->queue, buffers, 0, NULL, NULL) == CLMP_OK);
    uint64_t counts[CLMP_LABEL_COUNTS(CLASSES)];
    read_back(program, program->counts, sizeof counts, counts);
    CHECK(counts[0] == PIXELS && counts[1] == 0);

    float weights[CLASSES] = {7.0f, 7.0f};
    clmp_class_weights_params *scheme = guarded_new(sizeof *scheme);
    clmp_class_weights_params_init(scheme);
    CHECK(scheme->scheme == CLMP_CLASS_INVERSE && scheme->enet_offset == 1.02 && scheme->absent == 1.0);
    scheme->absent = 0.5; /* the struct's last field */
    CHECK_UNKNOWN(scheme, clmp_class_weights(counts, CLASSES, scheme, weights), false);
    CHECK(weights[0] == 7.0f || weights[0] == 1.0f);
    CHECK(clmp_class_weights(counts, CLASSES, scheme, weights) == CLMP_OK);
    CHECK(weights[0] == 1.0f && weights[1] == 0.5f);
    guarded_free(scheme, sizeof *scheme);
    guarded_free(buffers, sizeof *buffers);
    clmp_plan_destroy(plan);
}

static void measure(const struct program *program) {
    clmp_plan *plan = plan_of(program, params_new());
    clmp_buffers *buffers = buffers_new();
    buffers->logits.mem = program->logits;
    buffers->labels.mem = program->labels;
    buffers->confusion.mem = program->confusion;
    CHECK(clmp_enqueue_confusion(plan, program->queue, buffers, 0, NULL, NULL) == CLMP_OK);
    uint64_t confusion[CLMP_CONFUSION(CLASSES)];
    read_back(program, program->confusion, sizeof confusion, confusion);

    double iou[CLASSES];
    clmp_metrics *metrics = guarded_new(sizeof *metrics);
    CHECK(clmp_confusion_metrics(confusion, CLASSES, metrics, iou, NULL) == CLMP_OK);
    CHECK(metrics->pixels == PIXELS && metrics->correct == 7 && metrics->present == 2 && metrics->labelled == 1);
    CHECK(metrics->pixel_accuracy == 0.875 && iou[0] == 0.875 && metrics->mean_iou == 0.4375);
    CHECK_NOT_FILLED(metrics);
    guarded_free(metrics, sizeof *metrics);
    guarded_free(buffers, sizeof *buffers);
    clmp_plan_destroy(plan);
}

/* Counts as a program of Check does. */
int main(void) {
    struct program program = {.context = NULL};
    list_devices();
    if (open_program(&program)) {
        measure(&program);
        weigh_classes(&program);
        compute_gradient(&program);
        compute_hardest(&program); /* the last: it overwrites the logits */
        close_program(&program);
    }
    printf("%u%%: Checks: %u, Failures: %u, Errors: 0\n", 100 * (checks - failures) / checks, checks, failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
