/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_plans.h"

static enum bench_status create(const bench_plans *plans, const clmp_plan_params *params, clmp_plan **plan,
                                double *ms) {
    const double begin = bench_now();
    const clmp_status status = clmp_plan_create(plans->context, params, plan);
    if (ms != NULL)
        *ms = bench_now() - begin;
    if (status == CLMP_OK)
        return BENCH_OK;
    /* the shape is the bench's own, so that only the tuning can be invalid; the log has said how */
    return status == CLMP_INVALID_ARGUMENT
               ? BENCH_BAD_USE
               : bench_fail(BENCH_DEVICE_FAILED, "clmp_plan_create: %s", clmp_status_text(status));
}

/* By a plan that is quickly made. */
enum bench_status bench_plans_check_tuning(const bench_device *device) {
    char option[] = "--tuning";
    clmp_context_params context_params;
    clmp_context_params_init(&context_params);
    context_params.log = bench_log;
    context_params.log_user = option;
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.input = CLMP_INPUT_LABELS;
    params.classes = params.height = params.width = 1;
    bench_plans plans = {.context = NULL};
    clmp_plan *plan = NULL;
    if (clmp_context_create(device->cl, device->info.device, &context_params, &plans.context) != CLMP_OK)
        return bench_fail(BENCH_DEVICE_FAILED, "no context on %s", device->info.name);
    const enum bench_status status = create(&plans, &params, &plan, NULL);
    clmp_plan_destroy(plan);
    bench_plans_release(&plans);
    return status;
}

enum bench_status bench_plans_create(const bench_device *device, const bench_case *of, clmp_solver solver,
                                     const clmp_tuning *tuning, bench_plans *plans) {
    clmp_context_params context_params;
    clmp_context_params_init(&context_params);
    context_params.log = bench_log;
    *plans = (bench_plans){.context = NULL};
    const double begin = bench_now();
    const clmp_status status = clmp_context_create(device->cl, device->info.device, &context_params, &plans->context);
    plans->context_ms = bench_now() - begin;
    if (status != CLMP_OK)
        return bench_fail(BENCH_DEVICE_FAILED, "clmp_context_create: %s", clmp_status_text(status));

    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.images = of->images;
    params.classes = of->classes;
    params.height = of->height;
    params.width = of->width;
    params.logits_height = of->logits_height;
    params.logits_width = of->logits_width;
    params.align_corners = of->align_corners;
    params.solver = solver;
    params.tuning = *tuning;
    params.input = of->losses_only ? CLMP_INPUT_LOSSES : CLMP_INPUT_LOGITS;
    clmp_plan **first = of->losses_only ? &plans->losses : &plans->logits;
    clmp_plan *second = NULL;
    enum bench_status result = create(plans, &params, first, &plans->first_ms);
    if (result == BENCH_OK)
        result = create(plans, &params, &second, &plans->second_ms);
    clmp_plan_destroy(second);
    params.input = CLMP_INPUT_LOSSES;
    if (result == BENCH_OK && !of->losses_only)
        result = create(plans, &params, &plans->losses, NULL);
    return result;
}

void bench_plans_release(bench_plans *plans) {
    clmp_plan_destroy(plans->logits);
    clmp_plan_destroy(plans->losses);
    clmp_context_destroy(plans->context);
    *plans = (bench_plans){.context = NULL};
}
