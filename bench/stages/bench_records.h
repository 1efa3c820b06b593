/*
 * What was measured: a list of records, each of which stands alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_RECORDS_H
#define CLMP_BENCH_RECORDS_H

#include "bench_cases.h"
#include "bench_device.h"

/* Median and quartiles, in milliseconds. */
typedef struct bench_spread {
    double median, low, high;
} bench_spread;

typedef struct bench_record {
    clmp_device_info device;
    bool events; /* ms is event time, not wall time */
    bench_case of;
    const char *solver; /* "search", "sort", or "none" */
    const char *stage;  /* "copy", "loss", "threshold", "weights", "gradient", "step", "plan" */
    bench_spread ms;
    double wall_ms;
    uint64_t bytes; /* the least that the stage must move; 0: it moves nothing */
    double copy_gbps;
    uint64_t flops;     /* float operations that the stage must do, where these are counted; else 0 */
    double peak_gflops; /* of the device, likewise */
    size_t repeat, batch, sets;
    clmp_tuning tuning;
    float loss, alpha;
    const char *variant; /* of bench_variants.h; else NULL */
    /* stage "plan" only */
    const char *plan;     /* "first", in a new context, or "second", in the same; else NULL */
    double context_ms;    /* first: making that context */
    double first_call_ms; /* first: the first step, in which some runtimes do their compiling */
} bench_record;

typedef struct bench_records {
    bench_record *list;
    size_t count, capacity;
} bench_records;

/* False: out of memory. */
bool bench_records_add(bench_records *records, const bench_record *record);
void bench_records_release(bench_records *records);

/* 1e9 bytes a second, and time over the time of a copy of as many bytes; NAN where that means nothing. */
double bench_record_gbps(const bench_record *record);
double bench_record_of_copy(const bench_record *record);

/* 1e9 float operations a second, and the share of the device's peak; NAN likewise. */
double bench_record_gflops(const bench_record *record);
double bench_record_of_peak(const bench_record *record);

/* Of `count` numbers, which are sorted. */
bench_spread bench_spread_of(double *values, size_t count);

#endif
