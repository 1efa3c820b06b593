/* A classification head and its loss: kernels/head.cl, and CLBlast's products.  SPDX-License-Identifier: Apache-2.0 */
#include "clmp/head.h"
#include "core/program.h"
#include "core/sized.h"
#include "stages/stages.h"

#include <clblast_c.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clmp_head {
    clmp_plan *plan;
    uint64_t features;    /* D */
    uint32_t group_size;  /* of the head's own kernels */
    uint64_t slab_pixels; /* 0: no slabs */
    uint64_t pixels;      /* of an image's logits */
    size_t logits_size;   /* bytes */
    cl_mem logits;        /* of the batch, or of one slab */
    cl_mem products;      /* of each image, which the weight's gradient sums; NULL where they are made one by one */
};

/* A head's step. */
struct head_step {
    const clmp_head *head;
    clmp_head_buffers buffers;
    bool gradient, logits_only;
    bool whole;            /* logits of the batch are held */
    struct clmp_slab slab; /* what is worked on; without slabs an image, in logits of the batch */
};

/* As in sized.h: bytes of the first ABI. */
#define FIRST_HEAD_PARAMS CLMP_SIZED_UP_TO(clmp_head_params, slab_pixels)
#define FIRST_HEAD_BUFFERS CLMP_SIZED_UP_TO(clmp_head_buffers, bias_gradient)
#if UINTPTR_MAX == UINT64_MAX
static_assert(FIRST_HEAD_PARAMS == 32, "the first ABI's clmp_head_params");
static_assert(FIRST_HEAD_BUFFERS == 104, "the first ABI's clmp_head_buffers");
#endif
static_assert(offsetof(clmp_head_params, struct_size) == 0, "clmp_head_params");
static_assert(offsetof(clmp_head_buffers, struct_size) == 0, "clmp_head_buffers");

void clmp_head_params_init_sized(clmp_head_params *params, size_t size) {
    const clmp_head_params defaults = {.struct_size = size};
    clmp_sized_put(params, size, &defaults, sizeof defaults);
}

void clmp_head_buffers_init_sized(clmp_head_buffers *buffers, size_t size) {
    const clmp_head_buffers defaults = {.struct_size = size};
    clmp_sized_put(buffers, size, &defaults, sizeof defaults);
}

/* ---------------------------------------------------------------------------------------------------------- create */

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
    if (params->features == 0 || params->features > UINT32_MAX)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "features is %" PRIu64 ", expected 1 to 2^32 - 1",
                         params->features);
    const bool interpolates = (problem->logits_height != 0 && problem->logits_height != problem->height) ||
                              (problem->logits_width != 0 && problem->logits_width != problem->width);
    if (params->slab_pixels != 0 && interpolates)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "slab_pixels is %" PRIu64 ", but the logits are interpolated",
                         params->slab_pixels);
    if (params->slab_pixels != 0 && clmp_is_binary(problem))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "slab_pixels is %" PRIu64 ", but the loss is binary",
                         params->slab_pixels);
    return CLMP_OK;
}

/* With work-groups as large as the device lets them be, up to those of the plan. */
static clmp_status create_kernels(clmp_head *head) {
    static const struct {
        enum clmp_kernel_id id;
        const char *name;
    } wanted[] = {{CLMP_KERNEL_HEAD_BIAS, "clmp_head_bias"},
                  {CLMP_KERNEL_HEAD_BIAS_GRADIENT, "clmp_head_bias_gradient"},
                  {CLMP_KERNEL_HEAD_WEIGHT_GRADIENT, "clmp_head_weight_gradient"}};
    clmp_plan *plan = head->plan;
    head->group_size = plan->tuning.group_size;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted;) {
        cl_kernel *kernel = &plan->kernels[wanted[i].id];
        char macros[64], why[CLMP_WHY];
        bool fits = false;
        snprintf(macros, sizeof macros, " -DCLMP_GROUP=%" PRIu32, head->group_size);
        clmp_status status = clmp_kernel_create(plan->context, "head", macros, wanted[i].name, kernel);
        if (status == CLMP_OK)
            status = clmp_plan_kernel_fits(plan, wanted[i].id, head->group_size, &fits, why);
        if (status == CLMP_OK && !fits && head->group_size == 1)
            status = clmp_fail(&plan->context->log, CLMP_DEVICE_UNSUPPORTED, "%s", why);
        if (status != CLMP_OK)
            return status;
        if (fits) {
            ++i;
            continue;
        }
        for (size_t j = 0; j <= i; ++j) {
            clReleaseKernel(plan->kernels[wanted[j].id]);
            plan->kernels[wanted[j].id] = NULL;
        }
        head->group_size /= 2;
        i = 0;
    }
    return CLMP_OK;
}

static clmp_status create_buffer(const clmp_head *head, size_t size, cl_mem *mem) {
    const clmp_context *context = head->plan->context;
    cl_int error = CL_SUCCESS;
    *mem = clCreateBuffer(context->cl, CL_MEM_READ_WRITE, size, NULL, &error);
    if (error == CL_SUCCESS)
        return CLMP_OK;
    *mem = NULL;
    return clmp_fail_cl(&context->log, error, "clCreateBuffer");
}

static clmp_status create_buffers(clmp_head *head) {
    const clmp_plan *plan = head->plan;
    const struct clmp_log *log = &plan->context->log;
    const uint64_t images = plan->params.images, classes = plan->params.classes;
    head->pixels = plan->logits.bytes / sizeof(float) / images / classes;
    if (head->slab_pixels > head->pixels)
        head->slab_pixels = head->pixels;
    const uint64_t held = head->slab_pixels != 0 ? classes * head->slab_pixels * sizeof(float) : plan->logits.bytes;
    const uint64_t most = (uint64_t)1 << 62;
    if (held > SIZE_MAX / 2 || head->pixels > most / sizeof(float) / head->features / images)
        return clmp_fail(log, CLMP_SIZE_OVERFLOW, "features of %" PRIu64 " numbers a pixel overflow", head->features);
    head->logits_size = (size_t)held;
    const clmp_status status = create_buffer(head, head->logits_size, &head->logits);
    if (status != CLMP_OK || head->slab_pixels != 0 || images == 1)
        return status;
    if (classes > most / sizeof(float) / head->features / images)
        return clmp_fail(log, CLMP_SIZE_OVERFLOW, "weights of %" PRIu64 " numbers overflow", head->features);
    return create_buffer(head, (size_t)(images * classes * head->features * sizeof(float)), &head->products);
}

clmp_status clmp_head_create(clmp_context *context, const clmp_head_params *given, clmp_head **out) {
    if (out != NULL)
        *out = NULL;
    if (context == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    const struct clmp_log *log = &context->log;
    if (given == NULL || out == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is NULL", given == NULL ? "params" : "head");
    clmp_head_params params;
    clmp_plan_params problem;
    clmp_head_params_init(&params);
    clmp_status status = clmp_sized_take(given, FIRST_HEAD_PARAMS, &params, "head_params", log);
    if (status == CLMP_OK)
        status = check_params(log, &params, &problem);
    if (status != CLMP_OK)
        return status;
    clmp_head *head = calloc(1, sizeof *head);
    if (head == NULL)
        return clmp_fail(log, CLMP_OUT_OF_MEMORY, "no memory for a head");
    head->features = params.features;
    head->slab_pixels = params.slab_pixels;
    status = clmp_plan_create(context, &problem, &head->plan);
    if (status == CLMP_OK) {
        head->plan->serial = true;
        status = create_kernels(head);
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

void clmp_head_destroy(clmp_head *head) {
    if (head == NULL)
        return;
    cl_mem const buffers[] = {head->logits, head->products};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        if (buffers[i] != NULL && clmp_context_is_ours(head->plan->context))
            clReleaseMemObject(buffers[i]);
    clmp_plan_destroy(head->plan);
    free(head);
}

const clmp_plan *clmp_head_plan(const clmp_head *head) {
    return head == NULL ? NULL : head->plan;
}

size_t clmp_head_logits_size(const clmp_head *head) {
    return head == NULL ? 0 : head->logits_size;
}

/* -------------------------------------------------------------------------------------------------------- products */

/* Matrices by rows, one for each image: the distances from a row to the next and from a matrix to the next, in numbers.
 */
struct matrix {
    clmp_buffer at;
    size_t row, image;
    bool transposed; /* before they are multiplied */
};

/* On what follows in the queue, for these events; none: for all that is in the queue so far. */
static clmp_status barrier(const struct clmp_step *step, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    const cl_int error = clEnqueueBarrierWithWaitList(step->queue, wait_count, wait, event);
    return error == CL_SUCCESS ? CLMP_OK
                               : clmp_fail_cl(&step->plan->context->log, error, "clEnqueueBarrierWithWaitList");
}

/* CLBlast's kernels wait for nothing themselves. */
static clmp_status barrier_before(struct clmp_step *step) {
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_launch_wait(step, &wait_count);
    cl_event event = NULL;
    const clmp_status status = barrier(step, wait_count, wait, &event);
    if (status == CLMP_OK)
        clmp_launch_advance(step, event);
    return status;
}

/* What follows must wait for all of CLBlast's kernels; and fail where what came before them did, which they do not say.
 */
static clmp_status barrier_behind(struct clmp_step *step) {
    cl_event all = NULL, event = NULL;
    clmp_status status = barrier(step, 0, NULL, &all);
    if (status != CLMP_OK)
        return status;
    const cl_event both[] = {step->last, all};
    status = barrier(step, 2, both, &event);
    clReleaseEvent(all);
    if (status == CLMP_OK)
        clmp_launch_advance(step, event);
    return status;
}

/* c = a b + beta c for each image; a is m x k and b k x n, as multiplied. */
static clmp_status multiply(struct clmp_step *step, size_t images, size_t m, size_t n, size_t k, struct matrix a,
                            struct matrix b, float beta, struct matrix c) {
    const clmp_status status = barrier_before(step);
    if (status != CLMP_OK)
        return status;
    const CLBlastTranspose of_a = a.transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose of_b = b.transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t a_at = a.at.offset / sizeof(float), b_at = b.at.offset / sizeof(float);
    const size_t c_at = c.at.offset / sizeof(float);
    /* by columns, that is c' = b' a', which CLBlast's kernel needs not transpose; and the images at once: products this
     * small take less time than a call */
    const CLBlastStatusCode code =
        images == 1 ? CLBlastSgemm(CLBlastLayoutColMajor, of_b, of_a, n, m, k, 1.0f, b.at.mem, b_at, b.row, a.at.mem,
                                   a_at, a.row, beta, c.at.mem, c_at, c.row, &step->queue, NULL)
                    : CLBlastSgemmStridedBatched(CLBlastLayoutColMajor, of_b, of_a, n, m, k, 1.0f, b.at.mem, b_at,
                                                 b.row, b.image, a.at.mem, a_at, a.row, a.image, beta, c.at.mem, c_at,
                                                 c.row, c.image, images, &step->queue, NULL);
    const struct clmp_log *log = &step->plan->context->log;
    if (code != CLBlastSuccess && code > -100) /* one of OpenCL's own */
        return clmp_fail_cl(log, (cl_int)code, "a product of CLBlast");
    if (code != CLBlastSuccess)
        return clmp_fail(log, CLMP_OPENCL_ERROR, "a product of CLBlast failed with status %d", (int)code);
    return barrier_behind(step);
}

/* Of the slab that a step works on: where it begins in an image, and where that image's features do. */
static uint64_t slab_begin(const struct head_step *run) {
    return run->whole ? 0 : run->slab.first % run->head->pixels;
}

static struct matrix features_of(const struct head_step *run, clmp_buffer features, uint64_t image) {
    const clmp_head *head = run->head;
    features.offset += (size_t)(image * head->features * head->pixels + slab_begin(run)) * sizeof(float);
    return (struct matrix){features, (size_t)head->pixels, (size_t)(head->features * head->pixels), false};
}

static struct matrix logits_of(const struct head_step *run, uint64_t image) {
    const size_t numbers = (size_t)(run->head->plan->params.classes * run->slab.pixels); /* of an image */
    clmp_buffer logits = run->slab.logits;
    if (run->whole)
        logits.offset += (size_t)image * numbers * sizeof(float);
    return (struct matrix){logits, (size_t)run->slab.pixels, numbers, false};
}

static struct matrix weight_of(const struct head_step *run, clmp_buffer weight) {
    return (struct matrix){weight, (size_t)run->head->features, 0, false};
}

/* A slab lies in one image, without slabs all of them are one after the other. */
static clmp_status make_logits(struct clmp_step *step, const struct head_step *run, uint64_t first, uint64_t images) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer bias = run->buffers.bias, logits = run->slab.logits;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_HEAD_BIAS);
    clmp_argument_floats(&arguments, bias.mem != NULL ? bias : logits);
    clmp_argument_int(&arguments, bias.mem != NULL);
    clmp_argument_ulong(&arguments, plan->params.classes);
    clmp_argument_ulong(&arguments, run->slab.pixels);
    clmp_argument_floats(&arguments, logits);
    clmp_status status =
        clmp_launch(step, &arguments, run->slab.pixels, images * plan->params.classes, run->head->group_size);
    if (status != CLMP_OK)
        return status;
    return multiply(step, (size_t)images, (size_t)plan->params.classes, (size_t)run->slab.pixels,
                    (size_t)run->head->features, weight_of(run, run->buffers.weight),
                    features_of(run, run->buffers.features, first), 1.0f, logits_of(run, first));
}

/* dF = W^T dX. */
static clmp_status make_features_gradient(struct clmp_step *step, const struct head_step *run, uint64_t first,
                                          uint64_t images) {
    struct matrix weight = weight_of(run, run->buffers.weight);
    weight.transposed = true;
    return multiply(step, (size_t)images, (size_t)run->head->features, (size_t)run->slab.pixels,
                    (size_t)step->plan->params.classes, weight, logits_of(run, first), 0.0f,
                    features_of(run, run->buffers.features_gradient, first));
}

/* dW = sum dX F^T, of several images by way of a product of each. */
static clmp_status make_weight_gradient(struct clmp_step *step, const struct head_step *run, uint64_t first,
                                        uint64_t images, bool more) {
    const size_t classes = (size_t)step->plan->params.classes, features = (size_t)run->head->features;
    struct matrix from = features_of(run, run->buffers.features, first);
    struct matrix to = weight_of(run, run->buffers.weight_gradient);
    from.transposed = true;
    if (images > 1)
        to = (struct matrix){{run->head->products, 0}, features, classes * features, false};
    const clmp_status status = multiply(step, (size_t)images, classes, features, (size_t)run->slab.pixels,
                                        logits_of(run, first), from, more ? 1.0f : 0.0f, to);
    if (status != CLMP_OK || images == 1)
        return status;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_HEAD_WEIGHT_GRADIENT);
    clmp_argument_mem(&arguments, run->head->products);
    clmp_argument_ulong(&arguments, images);
    clmp_argument_ulong(&arguments, to.image);
    clmp_argument_floats(&arguments, run->buffers.weight_gradient);
    return clmp_launch(step, &arguments, to.image, 1, run->head->group_size);
}

static clmp_status make_bias_gradient(struct clmp_step *step, const struct head_step *run, uint64_t images, bool more) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_HEAD_BIAS_GRADIENT);
    clmp_argument_floats(&arguments, run->slab.logits);
    clmp_argument_ulong(&arguments, images);
    clmp_argument_ulong(&arguments, plan->params.classes);
    clmp_argument_ulong(&arguments, run->slab.pixels);
    clmp_argument_floats(&arguments, run->buffers.bias_gradient);
    clmp_argument_int(&arguments, more);
    return clmp_launch(step, &arguments, run->head->group_size, plan->params.classes, run->head->group_size);
}

/* From the gradient that stands where the logits were. */
static clmp_status make_gradients(struct clmp_step *step, const struct head_step *run, uint64_t first,
                                  uint64_t images) {
    const clmp_head_buffers *buffers = &run->buffers;
    const bool more = first > 0 || slab_begin(run) > 0; /* than the first part of the sums over pixels */
    clmp_status status = CLMP_OK;
    if (buffers->features_gradient.mem != NULL)
        status = make_features_gradient(step, run, first, images);
    if (status == CLMP_OK && buffers->weight_gradient.mem != NULL)
        status = make_weight_gradient(step, run, first, images, more);
    if (status == CLMP_OK && buffers->bias_gradient.mem != NULL)
        status = make_bias_gradient(step, run, images, more);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- entries */

typedef clmp_status (*slab_fn)(struct clmp_step *step, struct head_step *run, uint64_t image);

static clmp_status slab_loss(struct clmp_step *step, struct head_step *run, uint64_t image) {
    const clmp_status status = make_logits(step, run, image, 1);
    return status == CLMP_OK ? clmp_stage_loss(step) : status;
}

static clmp_status slab_gradient(struct clmp_step *step, struct head_step *run, uint64_t image) {
    clmp_status status = make_logits(step, run, image, 1);
    if (status == CLMP_OK)
        status = clmp_stage_gradient(step);
    return status == CLMP_OK ? make_gradients(step, run, image, 1) : status;
}

static clmp_status for_each_slab(struct clmp_step *step, struct head_step *run, slab_fn function) {
    const clmp_head *head = run->head;
    const clmp_plan *plan = step->plan;
    clmp_status status = CLMP_OK;
    step->slab = &run->slab;
    for (uint64_t i = 0; i < plan->params.images && status == CLMP_OK; ++i)
        for (uint64_t at = 0; at < head->pixels && status == CLMP_OK; at += head->slab_pixels) {
            run->slab.first = i * head->pixels + at;
            run->slab.pixels = head->pixels - at < head->slab_pixels ? head->pixels - at : head->slab_pixels;
            run->slab.pool = plan->pools > 1 ? i : 0;
            status = function(step, run, i);
        }
    step->slab = NULL;
    return status;
}

static clmp_status run_head(struct clmp_step *step, void *user) {
    struct head_step *run = user;
    const uint64_t images = step->plan->params.images;
    clmp_status status = run->whole ? make_logits(step, run, 0, images) : for_each_slab(step, run, slab_loss);
    if (run->logits_only)
        return status;
    if (status == CLMP_OK && run->whole)
        status = clmp_stage_loss(step);
    if (status == CLMP_OK)
        status = clmp_stage_threshold(step);
    if (status == CLMP_OK && step->buffers->weights.mem != NULL)
        status = clmp_stage_weights(step);
    if (status != CLMP_OK || !run->gradient)
        return status;
    if (!run->whole)
        return for_each_slab(step, run, slab_gradient);
    status = clmp_stage_gradient(step);
    return status == CLMP_OK ? make_gradients(step, run, 0, images) : status;
}

static clmp_status enqueue_head(clmp_head *head, struct head_step *run, cl_command_queue queue,
                                const clmp_head_buffers *given_head, const clmp_buffers *given, cl_uint num_wait,
                                const cl_event *wait, cl_event *event) {
    if (event != NULL)
        *event = NULL;
    if (head == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    clmp_plan *plan = head->plan;
    const struct clmp_log *log = &plan->context->log;
    if (given_head == NULL || given == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is NULL", given == NULL ? "buffers" : "head_buffers");
    clmp_head_buffers head_buffers;
    clmp_buffers own;
    clmp_head_buffers_init(&head_buffers);
    clmp_buffers_init(&own);
    clmp_status status = clmp_sized_take(given_head, FIRST_HEAD_BUFFERS, &head_buffers, "head_buffers", log);
    if (status == CLMP_OK)
        status = clmp_sized_take(given, CLMP_FIRST_BUFFERS, &own, "buffers", log);
    if (status != CLMP_OK)
        return status;
    run->head = head;
    run->whole = head->slab_pixels == 0 || run->logits_only;
    run->buffers = head_buffers;
    run->slab = (struct clmp_slab){{head->logits, 0}, 0, head->pixels, 0};
    if (run->logits_only)
        run->slab.logits = own.logits;
    else
        own.logits = own.gradient = run->slab.logits;
    own.in_place = true;
    const uint64_t classes = plan->params.classes * sizeof(float), weight = classes * head->features;
    const uint64_t features = plan->params.images * head->features * head->pixels * sizeof(float);
    const clmp_buffer absent = {NULL, 0};
    const bool gradient = run->gradient;
    const struct clmp_place places[] = {
        {"features", head_buffers.features, features, sizeof(float), true, false, NULL, 0},
        {"weight", head_buffers.weight, weight, sizeof(float), true, false, NULL, 0},
        {"bias", head_buffers.bias, classes, sizeof(float), false, false, NULL, 0},
        {"features_gradient", gradient ? head_buffers.features_gradient : absent, features, sizeof(float), false, true,
         NULL, 0},
        {"weight_gradient", gradient ? head_buffers.weight_gradient : absent, weight, sizeof(float), false, true, NULL,
         0},
        {"bias_gradient", gradient ? head_buffers.bias_gradient : absent, classes, sizeof(float), false, true, NULL, 0},
    };
    const enum clmp_entry entry = run->logits_only          ? CLMP_ENTRY_LOGITS
                                  : !run->whole && gradient ? CLMP_ENTRY_SLAB_GRADIENT
                                  : !run->whole             ? CLMP_ENTRY_SLAB_LOSS
                                  : gradient                ? CLMP_ENTRY_GRADIENT
                                                            : CLMP_ENTRY_LOSS;
    const struct clmp_call call = {entry, run_head, run, places, sizeof places / sizeof places[0]};
    return clmp_enqueue(plan, &call, queue, &own, num_wait, wait, event);
}

clmp_status clmp_enqueue_head_logits(clmp_head *head, cl_command_queue queue, const clmp_head_buffers *head_buffers,
                                     const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                                     cl_event *event) {
    struct head_step run = {.logits_only = true};
    return enqueue_head(head, &run, queue, head_buffers, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_head_loss(clmp_head *head, cl_command_queue queue, const clmp_head_buffers *head_buffers,
                                   const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                                   cl_event *event) {
    struct head_step run = {.gradient = false};
    return enqueue_head(head, &run, queue, head_buffers, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_head_gradient(clmp_head *head, cl_command_queue queue, const clmp_head_buffers *head_buffers,
                                       const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                                       cl_event *event) {
    struct head_step run = {.gradient = true};
    return enqueue_head(head, &run, queue, head_buffers, buffers, num_wait, wait, event);
}
