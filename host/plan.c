/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "problem.h"
#include "program.h"

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

/* What suits the device, where the caller leaves it open; bench/ measures it. */
static void choose_tuning(struct clmp_plan *plan) {
    const struct clmp_device_facts *facts = &plan->context->facts;
    const bool cpu = (facts->type & CL_DEVICE_TYPE_CPU) != 0;
    clmp_tuning *tuning = &plan->tuning;
    *tuning = plan->params.tuning;
    /* PoCL vectorises within a work-item, and likes two registers of AVX2; others vectorise across work-items */
    if (tuning->vector_width == 0)
        tuning->vector_width = cpu && facts->native_vector > 1 ? 16 : 1;
    if (tuning->group_size == 0) {
        const uint32_t wanted = cpu ? 64 : 256;
        tuning->group_size = 1;
        while (tuning->group_size < wanted && 2 * (size_t)tuning->group_size <= facts->max_group)
            tuning->group_size *= 2;
    }
    /* on a CPU, one core fills a set of bins alone, without atomics */
    if (tuning->bin_group == 0)
        tuning->bin_group = cpu ? 1 : tuning->group_size;
    if (tuning->chunks == 0) {
        const uint64_t all = (uint64_t)facts->compute_units * 4;
        uint64_t chunks = (all + plan->pools - 1) / plan->pools;
        /* a set of bins costs more than a few thousand pixels */
        const uint64_t most = (plan->pool_pixels + 16383) / 16384;
        chunks = chunks < most ? chunks : most;
        tuning->chunks = (uint32_t)(chunks < 1 ? 1 : chunks > 1024 ? 1024 : chunks);
    }
}

static const char *label_type_name(clmp_label_type type) {
    return type == CLMP_LABEL_UINT8 ? "uchar" : type == CLMP_LABEL_INT32 ? "int" : "long";
}

struct kernel_wanted {
    enum clmp_kernel_id id;
    const char *source, *name;
};

static clmp_status create_kernels(struct clmp_plan *plan) {
    static const struct kernel_wanted search[] = {{CLMP_KERNEL_FILL, "threshold_search", "clmp_threshold_fill"},
                                                  {CLMP_KERNEL_REDUCE, "threshold_search", "clmp_threshold_reduce"}};
    static const struct kernel_wanted sort[] = {{CLMP_KERNEL_SORT_KEYS, "threshold_sort", "clmp_sort_keys"},
                                                {CLMP_KERNEL_SORT_COUNT, "threshold_sort", "clmp_sort_count"},
                                                {CLMP_KERNEL_SORT_SCAN, "threshold_sort", "clmp_sort_scan"},
                                                {CLMP_KERNEL_SORT_SCATTER, "threshold_sort", "clmp_sort_scatter"},
                                                {CLMP_KERNEL_SORT_SUMS, "threshold_sort", "clmp_sort_sums"},
                                                {CLMP_KERNEL_SORT_BINS, "threshold_sort", "clmp_sort_bins"}};
    static const struct kernel_wanted always[] = {{CLMP_KERNEL_SELECT, "threshold_select", "clmp_threshold_select"},
                                                  {CLMP_KERNEL_TOTAL, "threshold_select", "clmp_threshold_total"},
                                                  {CLMP_KERNEL_WEIGHTS, "weights", "clmp_weights"}};
    static const struct kernel_wanted logits[] = {{CLMP_KERNEL_LOSS, "loss", "clmp_loss"},
                                                  {CLMP_KERNEL_GRADIENT, "gradient", "clmp_gradient"}};
    const clmp_tuning *tuning = &plan->tuning;
    /* each program gets the macros that it looks at, so that plans share programs wherever they can */
    char group[64], pixel[128], search_macros[192], logits_macros[256];
    snprintf(group, sizeof group, " -DCLMP_GROUP=%" PRIu32, tuning->group_size);
    snprintf(pixel, sizeof pixel, "%s -DCLMP_VECTOR=%" PRIu32, group, tuning->vector_width);
    snprintf(search_macros, sizeof search_macros, "%s -DCLMP_BIN_GROUP=%" PRIu32, pixel, tuning->bin_group);
    snprintf(logits_macros, sizeof logits_macros, "%s -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s%s", pixel,
             plan->params.classes, label_type_name(plan->params.label_type),
             plan->class_weights != NULL ? " -DCLMP_CLASS_WEIGHTS" : "");

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

/* The smallest limit on work-groups among the kernels that get fewer work-items than they are launched with, or
 * SIZE_MAX: registers may allow fewer than the device does. */
static clmp_status kernel_group_limit(const struct clmp_plan *plan, size_t *limit) {
    *limit = SIZE_MAX;
    for (int i = 0; i < CLMP_KERNEL_COUNT; ++i) {
        size_t size = 0;
        if (plan->kernels[i] == NULL || i == CLMP_KERNEL_TOTAL) /* one work-item */
            continue;
        const cl_int error = clGetKernelWorkGroupInfo(plan->kernels[i], plan->context->device,
                                                      CL_KERNEL_WORK_GROUP_SIZE, sizeof size, &size, NULL);
        if (error != CL_SUCCESS)
            return clmp_fail_cl(&plan->context->log, error, "clGetKernelWorkGroupInfo");
        /* some runtimes answer with the size that the kernel states, so each is asked for its own */
        const bool shared = i == CLMP_KERNEL_UPSAMPLE_LOSS || i == CLMP_KERNEL_UPSAMPLE_GRADIENT;
        const uint32_t wanted = i == CLMP_KERNEL_FILL ? plan->tuning.bin_group
                                : shared              ? clmp_upsample_group(plan)
                                                      : plan->tuning.group_size;
        if (size < wanted && size < *limit)
            *limit = size;
    }
    return CLMP_OK;
}

/* Builds the kernels, with a smaller work-group where they need more registers than the device has for the first
 * choice. */
static clmp_status build_kernels(struct clmp_plan *plan) {
    for (;;) {
        clmp_status status = create_kernels(plan);
        size_t limit = SIZE_MAX;
        if (status == CLMP_OK)
            status = kernel_group_limit(plan, &limit);
        if (status != CLMP_OK || limit == SIZE_MAX)
            return status;
        release_kernels(plan);
        const clmp_tuning *asked = &plan->params.tuning;
        clmp_tuning *tuning = &plan->tuning;
        if (asked->group_size != 0 || asked->bin_group != 0 || limit == 0)
            return clmp_fail(&plan->context->log, CLMP_INVALID_ARGUMENT,
                             "the kernels allow work-groups of %zu on this device, tuning asks for more", limit);
        while (tuning->group_size > limit)
            tuning->group_size /= 2;
        while (tuning->bin_group > limit)
            tuning->bin_group /= 2;
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
        choose_tuning(plan);
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
    return plan == NULL ? (clmp_tuning){0, 0, 0, 0} : plan->tuning;
}
