/*
 * The plans of a case: for each solver one from logits and one from losses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_PLANS_H
#define CLMP_BENCH_PLANS_H

#include "bench_cases.h"
#include "bench_device.h"

typedef struct bench_plans {
    clmp_context *context; /* of this solver alone, so that no program is shared with the other one's first plan */
    clmp_plan *logits;     /* NULL where the case has losses only */
    clmp_plan *losses;
    double context_ms, first_ms, second_ms; /* making the context, a plan in it, and the same plan once more */
} bench_plans;

/* To be released even if it fails. */
enum bench_status bench_plans_create(const bench_device *device, const bench_case *of, clmp_solver solver,
                                     const clmp_tuning *tuning, bench_plans *plans);
/* Whether the device can have the tuning that --tuning has set. */
enum bench_status bench_plans_check_tuning(const bench_device *device);

void bench_plans_release(bench_plans *plans);

/* The plan that was measured. */
static inline const clmp_plan *bench_plans_main(const bench_plans *plans) {
    return plans->logits != NULL ? plans->logits : plans->losses;
}

#endif
