/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_records.h"

#include <math.h>
#include <stdlib.h>

bool bench_records_add(bench_records *records, const bench_record *record) {
    if (records->count == records->capacity) {
        const size_t capacity = records->capacity == 0 ? 64 : 2 * records->capacity;
        bench_record *list = realloc(records->list, capacity * sizeof *list);
        if (list == NULL)
            return false;
        records->list = list;
        records->capacity = capacity;
    }
    records->list[records->count++] = *record;
    return true;
}

void bench_records_release(bench_records *records) {
    free(records->list);
    *records = (bench_records){.list = NULL};
}

double bench_record_gbps(const bench_record *record) {
    if (record->bytes == 0 || !(record->ms.median > 0.0))
        return NAN; /* a difference of medians may come out below 0 */
    return (double)record->bytes / (record->ms.median * 1e6);
}

double bench_record_of_copy(const bench_record *record) {
    return record->copy_gbps / bench_record_gbps(record);
}

double bench_record_gflops(const bench_record *record) {
    if (record->flops == 0 || !(record->ms.median > 0.0))
        return NAN;
    return (double)record->flops / (record->ms.median * 1e6);
}

double bench_record_of_peak(const bench_record *record) {
    return bench_record_gflops(record) / record->peak_gflops;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t count, double share) {
    const double at = share * (double)(count - 1);
    const size_t below = (size_t)at;
    const size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

bench_spread bench_spread_of(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return (bench_spread){quantile(values, count, 0.5), quantile(values, count, 0.25), quantile(values, count, 0.75)};
}
