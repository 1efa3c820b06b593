/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "problem.h"
#include "program.h"
#include "tuning.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void clmp_plan_params_init(clmp_plan_params *params) {
    if (params != NULL)
        *params = (clmp_plan_params){
            .input = CLMP_INPUT_LOGITS,
            .images = 1,
            .label_type = CLMP_LABEL_UINT8,
            .ignore_index = 255,
            .p = 1.7,
            .support = 0.25,
            .scope = CLMP_SCOPE_BATCH,
            .solver = CLMP_SOLVER_SEARCH,
        };
}

static const char *label_type_name(clmp_label_type type) {
    return type == CLMP_LABEL_UINT8 ? "uchar" : type == CLMP_LABEL_INT32 ? "int" : "long";
}

struct kernel_wanted {
    enum clmp_kernel_id id;
    const char *source, *name;
};

static clmp_status create_kernels(struct clmp_plan *plan) {
    static const struct kernel_wanted search[] = {{CLMP_KERNEL_FILL, "threshold_search", "clmp_threshold_fill"}};
    static const struct kernel_wanted sort[] = {{CLMP_KERNEL_SORT_KEYS, "threshold_sort", "clmp_sort_keys"},
                                                {CLMP_KERNEL_SORT_COUNT, "threshold_sort", "clmp_sort_count"},
                                                {CLMP_KERNEL_SORT_SCAN, "threshold_sort", "clmp_sort_scan"},
                                                {CLMP_KERNEL_SORT_SCATTER, "threshold_sort", "clmp_sort_scatter"},
                                                {CLMP_KERNEL_SORT_SUMS, "threshold_sort", "clmp_sort_sums"},
                                                {CLMP_KERNEL_SORT_BINS, "threshold_sort", "clmp_sort_bins"}};
    static const struct kernel_wanted always[] = {{CLMP_KERNEL_SUM, "threshold_select", "clmp_threshold_sum"},
                                                  {CLMP_KERNEL_SELECT, "threshold_select", "clmp_threshold_select"},
                                                  {CLMP_KERNEL_WEIGHTS, "weights", "clmp_weights"}};
    static const struct kernel_wanted images[] = {{CLMP_KERNEL_TOTAL, "threshold_total", "clmp_threshold_total"}};
    static const struct kernel_wanted logits[] = {{CLMP_KERNEL_LOSS, "loss", "clmp_loss"},
                                                  {CLMP_KERNEL_GRADIENT, "gradient", "clmp_gradient"}};
    const clmp_tuning *tuning = &plan->tuning;
    /* each program gets the macros that it looks at, so that plans share programs wherever they can */
    char group[64], pixel[128], search_macros[192], logits_macros[256];
    snprintf(group, sizeof group, " -DCLMP_GROUP=%" PRIu32, tuning->group_size);
    snprintf(pixel, sizeof pixel, "%s -DCLMP_VECTOR=%" PRIu32, group, tuning->vector_width);
    snprintf(search_macros, sizeof search_macros,
             " -DCLMP_VECTOR=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_LOCAL_BINS=%d -DCLMP_SHARED_SETS=%d",
             tuning->vector_width, tuning->bin_group, tuning->bin_memory == 2, tuning->bin_sets < tuning->chunks);
    snprintf(logits_macros, sizeof logits_macros, "%s -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s%s%s", pixel,
             plan->params.classes, label_type_name(plan->params.label_type),
             plan->class_weights != NULL ? " -DCLMP_CLASS_WEIGHTS" : "",
             tuning->streaming == 2 ? " -DCLMP_STREAM=1" : "");

    const bool by_search = plan->params.solver == CLMP_SOLVER_SEARCH;
    const bool from_logits = plan->params.input == CLMP_INPUT_LOGITS;
    const struct {
        const struct kernel_wanted *kernels;
        size_t count;
        const char *macros; /* NULL: as the kernel's source asks */
    } sets[] = {
        {search, by_search ? sizeof search / sizeof search[0] : 0, search_macros},
        {sort, by_search ? 0 : sizeof sort / sizeof sort[0], group},
        {always, 2, group},
        {always + 2, 1, pixel},
        {images, plan->params.scope == CLMP_SCOPE_IMAGE ? 1 : 0, ""},
        {logits, from_logits && !plan->upsampled ? sizeof logits / sizeof logits[0] : 0, logits_macros},
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
        if (plan->kernels[i] == NULL || i == CLMP_KERNEL_TOTAL) /* one work-item */
            continue;
        const cl_int error = clGetKernelWorkGroupInfo(plan->kernels[i], plan->context->device,
                                                      CL_KERNEL_WORK_GROUP_SIZE, sizeof limit, &limit, NULL);
        if (error != CL_SUCCESS)
            return clmp_fail_cl(log, error, "clGetKernelWorkGroupInfo");
        /* some runtimes answer with the size that the kernel states, so each is asked for its own */
        const bool fill = i == CLMP_KERNEL_FILL;
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

static clmp_status create_constants(struct clmp_plan *plan, const float *class_weights) {
    cl_context cl = plan->context->cl;
    cl_int error = CL_SUCCESS;
    clmp_problem problem = clmp_problem_make(plan->params.p, plan->params.support, plan->pool_pixels);
    plan->problem = clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof problem, &problem, &error);
    if (error == CL_SUCCESS && class_weights != NULL && plan->params.input == CLMP_INPUT_LOGITS)
        plan->class_weights =
            clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, (size_t)plan->params.classes * sizeof(float),
                           (void *)(uintptr_t)class_weights, &error);
    return error == CL_SUCCESS ? CLMP_OK : clmp_fail_cl(&plan->context->log, error, "clCreateBuffer");
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
    clmp_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return clmp_fail(&context->log, CLMP_OUT_OF_MEMORY, "no memory for a plan");
    clmp_context_retain(context);
    plan->context = context;
    plan->params = *params;
    status = clmp_plan_check(plan);
    plan->params.class_weights = NULL; /* the caller's */
    if (status == CLMP_OK) {
        clmp_tuning_choose(plan);
        status = create_constants(plan, params->class_weights);
    }
    if (status == CLMP_OK && plan->upsampled)
        status = clmp_upsample_create(plan, params->class_weights);
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

void clmp_plan_destroy(clmp_plan *plan) {
    if (plan == NULL)
        return;
    release_kernels(plan);
    const cl_mem buffers[] = {plan->problem, plan->class_weights, plan->upsample.tables, plan->workspace};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; ++i)
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
    if (plan->workspace_free != NULL)
        clReleaseEvent(plan->workspace_free);
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
    return plan == NULL ? (clmp_tuning){0} : plan->tuning;
}
