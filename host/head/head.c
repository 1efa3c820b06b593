/* A classification head and its loss, on the public interface of libclmp.  SPDX-License-Identifier: Apache-2.0 */
#include "head/head_internal.h"

#include "core/sized.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* As in sized.h: bytes of the first ABI. */
#define FIRST_HEAD_PARAMS CLMP_SIZED_UP_TO(clmp_head_params, slab_pixels)
#if UINTPTR_MAX == UINT64_MAX
static_assert(FIRST_HEAD_PARAMS == 32, "the first ABI's clmp_head_params");
#endif
static_assert(offsetof(clmp_head_params, struct_size) == 0, "clmp_head_params");

void clmp_head_params_init_sized(clmp_head_params *params, size_t size) {
    const clmp_head_params defaults = {.struct_size = size};
    clmp_sized_put(params, size, &defaults, sizeof defaults);
}

static bool is_binary(const clmp_plan_params *params) {
    return params->loss == CLMP_LOSS_BINARY_CROSS_ENTROPY || params->loss == CLMP_LOSS_BINARY_FOCAL;
}

/* Sets `problem`, as this version of the library has it. */
static clmp_status check_params(const struct clmp_log *log, const clmp_head_params *params, clmp_plan_params *problem) {
    if (params->problem == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "problem is NULL");
    clmp_plan_params_init(problem);
    const clmp_status status = clmp_sized_take(params->problem, CLMP_FIRST_PLAN_PARAMS, problem, "plan_params", log);
    if (status != CLMP_OK)
        return status;
    if (problem->input != CLMP_INPUT_LOGITS || problem->logits_type != CLMP_FLOAT32 ||
        problem->logits_layout != CLMP_LAYOUT_NCHW || problem->logits_row_pitch != 0)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT,
                         "a head's problem is one of float32 logits in NCHW, without row pitch");
    if (problem->ranks != NULL) /* who would tell the others of a failed product? */
        return clmp_fail(log, CLMP_INVALID_ARGUMENT,
                         "a head's problem has ranks: make a plan with them, and a head without");
    if (params->features == 0 || params->features > UINT32_MAX)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "features is %" PRIu64 ", expected 1 to 2^32 - 1",
                         params->features);
    const bool interpolates = (problem->logits_height != 0 && problem->logits_height != problem->height) ||
                              (problem->logits_width != 0 && problem->logits_width != problem->width);
    if (params->slab_pixels != 0 && interpolates)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "slab_pixels is %" PRIu64 ", but the logits are interpolated",
                         params->slab_pixels);
    if (params->slab_pixels != 0 && is_binary(problem))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "slab_pixels is %" PRIu64 ", but the loss is binary",
                         params->slab_pixels);
    return CLMP_OK;
}

static clmp_status create_buffer(const clmp_head *head, size_t size, cl_mem *mem) {
    cl_int error = CL_SUCCESS;
    *mem = clCreateBuffer(head->cl, CL_MEM_READ_WRITE, size, NULL, &error);
    if (error == CL_SUCCESS)
        return CLMP_OK;
    *mem = NULL;
    return clmp_fail_cl(&head->log, error, "clCreateBuffer");
}

/* The plan has checked the problem: its shapes do not overflow. */
static void keep_shape(clmp_head *head, const clmp_plan_params *problem) {
    static const uint64_t label_sizes[] = {1, 4, 8, 2}; /* bytes of each clmp_label_type */
    const uint64_t height = problem->logits_height != 0 ? problem->logits_height : problem->height;
    const uint64_t width = problem->logits_width != 0 ? problem->logits_width : problem->width;
    head->images = problem->images;
    head->classes = problem->classes;
    head->pixels = height * width;
    head->label_pixels =
        problem->images * problem->height * problem->width * (is_binary(problem) ? problem->classes : 1);
    head->label_size = label_sizes[problem->label_type];
}

static clmp_status create_buffers(clmp_head *head) {
    const uint64_t most = (uint64_t)1 << 62;
    if (head->slab_pixels > head->pixels)
        head->slab_pixels = head->pixels;
    const uint64_t held = head->classes * (head->slab_pixels != 0 ? head->slab_pixels : head->images * head->pixels);
    if (held > SIZE_MAX / 2 / sizeof(float) || head->pixels > most / sizeof(float) / head->features / head->images)
        return clmp_fail(&head->log, CLMP_SIZE_OVERFLOW, "features of %" PRIu64 " numbers a pixel overflow",
                         head->features);
    head->logits_size = (size_t)held * sizeof(float);
    const clmp_status status = create_buffer(head, head->logits_size, &head->logits);
    if (status != CLMP_OK || head->slab_pixels != 0 || head->images == 1)
        return status;
    if (head->classes > most / sizeof(float) / head->features / head->images)
        return clmp_fail(&head->log, CLMP_SIZE_OVERFLOW, "weights of %" PRIu64 " numbers overflow", head->features);
    return create_buffer(head, (size_t)(head->images * head->classes * head->features * sizeof(float)),
                         &head->products);
}

static void report(void *user, const char *message) {
    clmp_context_report(user, message);
}

clmp_status clmp_head_create(clmp_context *context, const clmp_head_params *given, clmp_head **out) {
    if (out != NULL)
        *out = NULL;
    if (context == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    const struct clmp_log log = {report, context};
    if (given == NULL || out == NULL)
        return clmp_fail(&log, CLMP_INVALID_ARGUMENT, "%s is NULL", given == NULL ? "params" : "head");
    clmp_head_params params;
    clmp_plan_params problem = {0};
    clmp_head_params_init(&params);
    clmp_status status = clmp_sized_take(given, FIRST_HEAD_PARAMS, &params, "head_params", &log);
    if (status == CLMP_OK)
        status = check_params(&log, &params, &problem);
    if (status != CLMP_OK)
        return status;
    clmp_head *head = calloc(1, sizeof *head);
    if (head == NULL)
        return clmp_fail(&log, CLMP_OUT_OF_MEMORY, "no memory for a head");
    head->log = log;
    head->cl = clmp_context_cl(context);
    head->device = clmp_context_device(context);
    head->process = getpid();
    head->features = params.features;
    head->slab_pixels = params.slab_pixels;
    status = clmp_plan_create(context, &problem, &head->plan);
    if (status == CLMP_OK) {
        keep_shape(head, &problem);
        status = clmp_head_create_kernels(head);
    }
    if (status == CLMP_OK)
        status = create_buffers(head);
    if (status != CLMP_OK) {
        clmp_head_destroy(head);
        return status;
    }
    *out = head;
    return CLMP_OK;
}

static void release_objects(clmp_head *head) {
    cl_mem const buffers[] = {head->logits, head->products, head->workspace};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
    for (int i = 0; i < CLMP_HEAD_KERNELS; ++i)
        if (head->kernels[i] != NULL)
            clReleaseKernel(head->kernels[i]);
    if (head->last != NULL)
        clReleaseEvent(head->last);
}

void clmp_head_destroy(clmp_head *head) {
    if (head == NULL)
        return;
    if (head->process == getpid())
        release_objects(head);
    clmp_plan_destroy(head->plan);
    free(head);
}

const clmp_plan *clmp_head_plan(const clmp_head *head) {
    return head == NULL ? NULL : head->plan;
}

size_t clmp_head_logits_size(const clmp_head *head) {
    return head == NULL ? 0 : head->logits_size;
}
