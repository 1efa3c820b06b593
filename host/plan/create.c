/* Plans made and destroyed.  SPDX-License-Identifier: Apache-2.0 */
#include "core/sized.h"
#include "plan/check.h"
#include "plan/draws.h"
#include "plan/kernels.h"
#include "plan/problem.h"
#include "plan/reading.h"
#include "plan/sort.h"
#include "plan/tuning.h"
#include "plan/upsample.h"
#include "plan/whole.h"
#include "plan/workspace.h"

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

/* Bytes of clmp_criterion_weights(). */
static size_t criterion_weights_size(const struct clmp_plan *plan) {
    return (size_t)plan->params.classes * (clmp_is_binary(&plan->params) ? 2 : 1) * sizeof(float);
}

static clmp_status create_constants(struct clmp_plan *plan, float *class_weights, float *mean_weights) {
    cl_context cl = plan->context->cl;
    cl_int error = CL_SUCCESS;
    clmp_problem problem = clmp_problem_of(&plan->params, plan->pool_pixels, plan->params.images / plan->pools);
    plan->problem = clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof problem, &problem, &error);
    if (error == CL_SUCCESS && class_weights != NULL)
        plan->class_weights = clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, criterion_weights_size(plan),
                                             class_weights, &error);
    if (error == CL_SUCCESS && plan->normalised)
        plan->mean_weights = clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                                            (size_t)plan->params.classes * sizeof(float), mean_weights, &error);
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
    float *const mean_weights = (float *)params->class_weights; /* clCreateBuffer() only reads them */
    clmp_status status = create_constants(plan, weights, mean_weights);
    if (status == CLMP_OK && plan->reading != NULL)
        status = plan->reading->create(plan, weights);
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
    if (status == CLMP_OK)
        status = clmp_draws_create(plan);
    if (status == CLMP_OK)
        status = clmp_sort_create(plan);
    plan->params.class_weights = NULL; /* the caller's */
    plan->params.ranks = NULL;
    if (status == CLMP_OK) {
        clmp_tuning_choose(plan);
        status = own.input == CLMP_INPUT_LABELS ? CLMP_OK : create_weighed(plan, &own);
    }
    if (status == CLMP_OK && own.ranks != NULL)
        status = clmp_whole_create(plan, &own);
    if (status == CLMP_OK)
        status = clmp_plan_build_kernels(plan);
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
    clmp_plan_release_kernels(plan);
    const cl_mem buffers[] = {plan->problem, plan->class_weights, plan->mean_weights, plan->workspace};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; ++i)
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
    if (plan->workspace_free != NULL)
        clReleaseEvent(plan->workspace_free);
}

void clmp_plan_destroy(clmp_plan *plan) {
    if (plan == NULL)
        return;
    const bool ours = clmp_context_is_ours(plan->context); /* a forked process has none of OpenCL's objects */
    if (ours)
        release_objects(plan);
    clmp_upsample_destroy(plan->upsample, ours);
    free(plan->draws);
    free(plan->sort);
    clmp_whole_destroy(plan->whole, ours);
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
