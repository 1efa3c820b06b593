/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "problem.h"
#include "program.h"
#include "sized.h"
#include "tuning.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void clmp_plan_params_init_sized(clmp_plan_params *params, size_t size) {
    const clmp_plan_params defaults = {
        .struct_size = size,
        .input = CLMP_INPUT_LOGITS,
        .images = 1,
        .label_type = CLMP_LABEL_UINT8,
        .ignore_index = 255,
        .p = 1.7,
        .support = 0.25,
        .scope = CLMP_SCOPE_BATCH,
        .solver = CLMP_SOLVER_SEARCH,
        .weighting = CLMP_WEIGHTING_LMP,
        .loss = CLMP_LOSS_CROSS_ENTROPY,
        .focal_gamma = 2.0,
        .focal_alpha = -1.0,
        .logits_type = CLMP_FLOAT32,
        .logits_layout = CLMP_LAYOUT_NCHW,
        .ohem_thresh = 0.7,
        .ohem_min_kept = 100000,
    };
    clmp_sized_put(params, size, &defaults, sizeof defaults);
}

const char *clmp_label_type_name(clmp_label_type type) {
    static const char *const names[] = {"uchar", "int", "long", "ushort"};
    return names[type];
}

struct kernel_wanted {
    enum clmp_kernel_id id;
    const char *source, *name;
};

void clmp_plan_count_macros(const struct clmp_plan *plan, uint32_t group, char *text, size_t size) {
    snprintf(text, size,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s",
             plan->tuning.group_size, group, plan->label_classes, clmp_label_type_name(plan->params.label_type));
}

static clmp_status create_counting(struct clmp_plan *plan) {
    char macros[256];
    clmp_plan_count_macros(plan, plan->tuning.bin_group, macros, sizeof macros);
    const clmp_status status = clmp_kernel_create(plan->context, "count_labels", macros, "clmp_count_labels",
                                                  &plan->kernels[CLMP_KERNEL_COUNT_LABELS]);
    if (status != CLMP_OK)
        return status;
    return clmp_kernel_create(plan->context, "count_labels", macros, "clmp_add_counts",
                              &plan->kernels[CLMP_KERNEL_ADD_COUNTS]);
}

static clmp_status create_kernels(struct clmp_plan *plan) {
    if (plan->params.input == CLMP_INPUT_LABELS)
        return create_counting(plan);
    static const struct kernel_wanted search[] = {{CLMP_KERNEL_FILL, "threshold_search", "clmp_threshold_fill"}};
    static const struct kernel_wanted sort[] = {{CLMP_KERNEL_SORT_KEYS, "threshold_sort", "clmp_sort_keys"},
                                                {CLMP_KERNEL_SORT_COUNT, "threshold_sort", "clmp_sort_count"},
                                                {CLMP_KERNEL_SORT_SCAN, "threshold_sort", "clmp_sort_scan"},
                                                {CLMP_KERNEL_SORT_SCATTER, "threshold_sort", "clmp_sort_scatter"},
                                                {CLMP_KERNEL_SORT_SUMS, "threshold_sort", "clmp_sort_sums"},
                                                {CLMP_KERNEL_SORT_BINS, "threshold_sort", "clmp_sort_bins"}};
    static const struct kernel_wanted sums[] = {{CLMP_KERNEL_SUM, "threshold_select", "clmp_threshold_sum"}};
    static const struct kernel_wanted images[] = {{CLMP_KERNEL_TOTAL, "threshold_total", "clmp_threshold_total"}};
    static const struct kernel_wanted select[] = {{CLMP_KERNEL_SELECT, "threshold_select", "clmp_threshold_select"}};
    static const struct kernel_wanted ohem[] = {{CLMP_KERNEL_SELECT, "threshold_ohem", "clmp_ohem_select"}};
    static const struct kernel_wanted balanced[] = {{CLMP_KERNEL_COUNT_LABELS, "count_labels", "clmp_count_labels"},
                                                    {CLMP_KERNEL_DRAW_SHARES, "threshold_draw", "clmp_draw_shares"}};
    static const struct kernel_wanted drawn[] = {{CLMP_KERNEL_DRAW_PIXELS, "threshold_draw", "clmp_draw_pixels"},
                                                 {CLMP_KERNEL_DRAW_RESULT, "threshold_draw", "clmp_draw_result"}};
    static const struct kernel_wanted weights[] = {{CLMP_KERNEL_WEIGHTS, "weights", "clmp_weights"}};
    static const struct kernel_wanted loss[] = {{CLMP_KERNEL_LOSS, "loss", "clmp_loss"}};
    static const struct kernel_wanted gradient[] = {{CLMP_KERNEL_GRADIENT, "gradient", "clmp_gradient"}};
    const clmp_tuning *tuning = &plan->tuning;
    const bool by_search = plan->params.solver == CLMP_SOLVER_SEARCH;
    const bool from_logits = plan->params.input == CLMP_INPUT_LOGITS;
    const bool by_ohem = plan->params.weighting == CLMP_WEIGHTING_OHEM;
    const bool by_balance = plan->params.weighting == CLMP_WEIGHTING_BALANCED;
    const char *class_weights = plan->class_weights != NULL ? " -DCLMP_CLASS_WEIGHTS" : "";
    const char *weigh = plan->drawn ? " -DCLMP_DRAWN" : "";
    /* each program gets the macros that it looks at, so that plans share programs wherever they can */
    char group[64], pixel[128], search_macros[192], labels[64], logits[CLMP_LOGITS_MACROS], loss_macros[640];
    char gradient_macros[640], weights_macros[160], draw_macros[512];
    snprintf(group, sizeof group, " -DCLMP_GROUP=%" PRIu32, tuning->group_size);
    snprintf(pixel, sizeof pixel, "%s -DCLMP_VECTOR=%" PRIu32, group, tuning->vector_width);
    snprintf(search_macros, sizeof search_macros,
             " -DCLMP_VECTOR=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_LOCAL_BINS=%d -DCLMP_SHARED_SETS=%d",
             tuning->vector_width, tuning->bin_group, tuning->bin_memory == 2, tuning->bin_sets < tuning->chunks);
    snprintf(labels, sizeof labels, " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s", plan->label_classes,
             from_logits ? clmp_label_type_name(plan->params.label_type) : "uchar");
    /* hard examples are told by what their losses are without class weights, which are applied to those drawn */
    clmp_logits_macros(&plan->params, &plan->logits, logits);
    snprintf(loss_macros, sizeof loss_macros, "%s%s%s%s%s", pixel, labels, logits, plan->criterion,
             clmp_plan_weighs_late(plan) ? "" : class_weights);
    snprintf(gradient_macros, sizeof gradient_macros, "%s%s%s%s%s%s%s", pixel, labels, logits, plan->criterion,
             class_weights, weigh, tuning->streaming == 2 ? " -DCLMP_STREAM=1" : "");
    snprintf(weights_macros, sizeof weights_macros, "%s%s", pixel, weigh);
    snprintf(draw_macros, sizeof draw_macros, "%s%s%s -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_MARKED=1 -DCLMP_DRAW_HARD=%d",
             group, labels, logits, tuning->bin_group, by_ohem);

    const struct {
        const struct kernel_wanted *kernels;
        size_t count; /* 0: not wanted */
        const char *macros;
    } sets[] = {
        {search, by_search && !by_balance ? sizeof search / sizeof search[0] : 0, search_macros},
        {sort, !by_search && !by_balance ? sizeof sort / sizeof sort[0] : 0, group},
        {sums, !by_balance, group},
        {select, !by_ohem && !by_balance, group},
        {ohem, by_ohem, group},
        {balanced, by_balance ? sizeof balanced / sizeof balanced[0] : 0, draw_macros},
        {drawn, plan->drawn ? sizeof drawn / sizeof drawn[0] : 0, draw_macros},
        {images, plan->params.scope == CLMP_SCOPE_IMAGE, ""},
        {weights, 1, weights_macros},
        {loss, from_logits && !plan->upsampled, loss_macros},
        {gradient, from_logits && !plan->upsampled, gradient_macros},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; ++i)
        for (size_t j = 0; j < sets[i].count; ++j) {
            const struct kernel_wanted *wanted = &sets[i].kernels[j];
            const clmp_status status = clmp_kernel_create(plan->context, wanted->source, sets[i].macros, wanted->name,
                                                          &plan->kernels[wanted->id]);
            if (status != CLMP_OK)
                return status;
        }
    return plan->upsampled ? clmp_upsample_kernels(plan) : CLMP_OK;
}

static void release_kernels(struct clmp_plan *plan) {
    for (int i = 0; i < CLMP_KERNEL_COUNT; ++i) {
        if (plan->kernels[i] != NULL)
            clReleaseKernel(plan->kernels[i]);
        plan->kernels[i] = NULL;
    }
}

/* Halves what the library chose for work-groups where a kernel needs more registers than the device has for it.
 * `*fits` where nothing had to change. */
static clmp_status fit_groups(struct clmp_plan *plan, bool *fits) {
    const struct clmp_log *log = &plan->context->log;
    *fits = true;
    for (int i = 0; i < CLMP_KERNEL_COUNT; ++i) {
        size_t limit = 0;
        if (plan->kernels[i] == NULL || i == CLMP_KERNEL_TOTAL || i == CLMP_KERNEL_DRAW_RESULT) /* one work-item */
            continue;
        const cl_int error = clGetKernelWorkGroupInfo(plan->kernels[i], plan->context->device,
                                                      CL_KERNEL_WORK_GROUP_SIZE, sizeof limit, &limit, NULL);
        if (error != CL_SUCCESS)
            return clmp_fail_cl(log, error, "clGetKernelWorkGroupInfo");
        /* some runtimes answer with the size that the kernel states, so each is asked for its own */
        const bool fill = i == CLMP_KERNEL_FILL || i == CLMP_KERNEL_COUNT_LABELS || i == CLMP_KERNEL_DRAW_PIXELS;
        uint32_t *group = fill ? &plan->tuning.bin_group : &plan->tuning.group_size;
        const uint32_t asked = fill ? plan->params.tuning.bin_group : plan->params.tuning.group_size;
        const bool shared = i == CLMP_KERNEL_UPSAMPLE_LOSS || i == CLMP_KERNEL_UPSAMPLE_GRADIENT;
        const uint32_t least = shared ? clmp_upsample_least_group(plan) : 1;
        if (limit < least)
            return clmp_fail(log, CLMP_DEVICE_UNSUPPORTED,
                             "interpolation needs work-groups of %" PRIu32 " at vector_width %" PRIu32
                             ", but a kernel allows %zu on this device",
                             least, plan->tuning.vector_width, limit);
        if (*group > limit && asked != 0)
            return clmp_fail(log, CLMP_INVALID_ARGUMENT,
                             "tuning.%s is %" PRIu32 ", but a kernel allows work-groups of %zu on this device",
                             fill ? "bin_group" : "group_size", *group, limit);
        for (; *group > limit; *group /= 2)
            *fits = false;
    }
    return CLMP_OK;
}

static clmp_status build_kernels(struct clmp_plan *plan) {
    for (;;) {
        bool fits = false;
        clmp_status status = create_kernels(plan);
        if (status == CLMP_OK)
            status = fit_groups(plan, &fits);
        if (status != CLMP_OK || fits)
            return status;
        release_kernels(plan);
    }
}

/* Bytes of clmp_criterion_weights(). */
static size_t criterion_weights_size(const struct clmp_plan *plan) {
    return (size_t)plan->params.classes * (clmp_is_binary(&plan->params) ? 2 : 1) * sizeof(float);
}

static clmp_status create_constants(struct clmp_plan *plan, float *class_weights) {
    cl_context cl = plan->context->cl;
    cl_int error = CL_SUCCESS;
    clmp_problem problem = clmp_problem_of(&plan->params, plan->pool_pixels, plan->params.images / plan->pools);
    plan->problem = clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof problem, &problem, &error);
    if (error == CL_SUCCESS && class_weights != NULL)
        plan->class_weights = clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, criterion_weights_size(plan),
                                             class_weights, &error);
    return error == CL_SUCCESS ? CLMP_OK : clmp_fail_cl(&plan->context->log, error, "clCreateBuffer");
}

/* All that knows the caller's class weights, which are not kept. */
static clmp_status create_weighed(struct clmp_plan *plan, const clmp_plan_params *params) {
    float *weights = NULL;
    if (clmp_criterion_weighs(params)) {
        weights = malloc(criterion_weights_size(plan));
        if (weights == NULL)
            return clmp_fail(&plan->context->log, CLMP_OUT_OF_MEMORY, "no memory for class weights");
        clmp_criterion_weights(params, weights);
    }
    clmp_criterion_macros(params, plan->criterion);
    clmp_status status = create_constants(plan, weights);
    if (status == CLMP_OK && plan->upsampled)
        status = clmp_upsample_create(plan, weights);
    free(weights);
    return status;
}

clmp_status clmp_plan_create(clmp_context *context, const clmp_plan_params *params, clmp_plan **out) {
    if (out != NULL)
        *out = NULL;
    if (context == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    if (params == NULL || out == NULL)
        return clmp_fail(&context->log, CLMP_INVALID_ARGUMENT, "%s is NULL", params == NULL ? "params" : "plan");
    clmp_status status = clmp_context_check(context);
    if (status != CLMP_OK)
        return status;
    clmp_plan_params own;
    clmp_plan_params_init(&own);
    status = clmp_sized_take(params, CLMP_FIRST_PLAN_PARAMS, &own, "plan_params", &context->log);
    if (status != CLMP_OK)
        return status;
    clmp_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return clmp_fail(&context->log, CLMP_OUT_OF_MEMORY, "no memory for a plan");
    clmp_context_retain(context);
    plan->context = context;
    plan->params = own;
    status = clmp_plan_check(plan);
    plan->params.class_weights = NULL; /* the caller's */
    if (status == CLMP_OK) {
        clmp_tuning_choose(plan);
        status = own.input == CLMP_INPUT_LABELS ? CLMP_OK : create_weighed(plan, &own);
    }
    if (status == CLMP_OK)
        status = build_kernels(plan);
    if (status == CLMP_OK && !clmp_plan_lay_out(plan))
        status = clmp_fail(&context->log, CLMP_SIZE_OVERFLOW, "the workspace for %" PRIu64 " pixels overflows",
                           plan->pixels);
    if (status != CLMP_OK) {
        clmp_plan_destroy(plan);
        return status;
    }
    *out = plan;
    return CLMP_OK;
}

static void release_objects(clmp_plan *plan) {
    release_kernels(plan);
    const cl_mem buffers[] = {plan->problem, plan->class_weights, plan->upsample.tables, plan->workspace};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; ++i)
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
    if (plan->workspace_free != NULL)
        clReleaseEvent(plan->workspace_free);
}

void clmp_plan_destroy(clmp_plan *plan) {
    if (plan == NULL)
        return;
    if (clmp_context_is_ours(plan->context)) /* a forked process has none of OpenCL's objects */
        release_objects(plan);
    clmp_context_destroy(plan->context);
    free(plan);
}

size_t clmp_plan_workspace_size(const clmp_plan *plan) {
    return plan == NULL ? 0 : plan->layout.size;
}

size_t clmp_plan_result_count(const clmp_plan *plan) {
    if (plan == NULL)
        return 0;
    return plan->params.scope == CLMP_SCOPE_IMAGE ? 1 + (size_t)plan->pools : 1;
}

clmp_tuning clmp_plan_tuning(const clmp_plan *plan) {
    if (plan == NULL)
        return (clmp_tuning){0};
    return plan->tuning;
}
