/*
 * One case on one device: check, measure, tell the stages apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The library enqueues whole entries only, so stages are differences of medians of entries:
 *
 *     copy        clEnqueueCopyBuffer of the logits (of the losses, where there are no logits, or few)
 *     step        clmp_enqueue_gradient, without losses and weights
 *     threshold   clmp_enqueue_weights on given losses, without weights
 *     weights     clmp_enqueue_weights with weights               - threshold
 *     loss        clmp_enqueue_loss without losses and weights    - threshold
 *     gradient    step                                            - clmp_enqueue_loss
 *
 * Samples of all entries alternate, so that whatever else the machine does meets all of them alike: compare times of
 * one run, not of two.
 */
#ifndef CLMP_BENCH_RUN_H
#define CLMP_BENCH_RUN_H

#include "bench_options.h"
#include "bench_peak.h"
#include "bench_plans.h"
#include "bench_records.h"
#include "bench_sets.h"

/* What is measured for each solver; the copy, which has none, comes first. */
enum bench_entry { BENCH_COPY, BENCH_STEP, BENCH_LOSS, BENCH_THRESHOLD, BENCH_WEIGHTS, BENCH_ENTRIES };

typedef struct bench_run {
    const bench_device *device;
    const bench_case *of;
    const bench_options *options;
    bench_sets sets;
    bench_plans plans[BENCH_SOLVERS];
    clmp_result result[BENCH_SOLVERS];
    double first_call_ms[BENCH_SOLVERS];
    double peak_gflops; /* of the device; measured where a case is bound by it, else 0 */
} bench_run;

/* Adds the case's records. */
enum bench_status bench_run_case(const bench_device *device, const bench_case *of, const bench_options *options,
                                 bench_records *records);

/* bench_check.c: runs both solvers once, and fails unless all that they give is the same bit for bit. */
enum bench_status bench_check(bench_run *run);

/* Samples of one entry, `repeat` each. */
typedef struct bench_series {
    double *ms, *wall;
    size_t batch; /* calls that a sample is the mean of */
} bench_series;

/* bench_stages.c: the records of a case.  False: out of memory. */
bool bench_stages(const bench_run *run, bench_series series[BENCH_SOLVERS][BENCH_ENTRIES], bench_records *records);

#endif
