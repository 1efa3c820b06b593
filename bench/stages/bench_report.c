/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void bench_report_device(const bench_device *device) {
    const clmp_device_info *info = &device->info;
    printf("%s\n  %s, %s, driver %s, %u compute units, libclmp %s\n", info->name, info->platform_name, info->version,
           info->driver, (unsigned)info->compute_units, clmp_version());
    if (!device->events)
        puts("  its event times are no use: wall time is shown");
    fflush(stdout);
}

void bench_report_launch(const bench_time *each) {
    printf("  a launch takes %.1f us, by the host's clock %.1f\n", each->ms * 1e3, each->wall * 1e3);
    fflush(stdout);
}

static void print_stage(const bench_record *r) {
    const double gbps = bench_record_gbps(r), of_copy = bench_record_of_copy(r);
    printf("  %-7s %-10s %9.3f %9.3f %9.3f %9.3f %10.2f", r->solver, r->stage, r->ms.median, r->ms.low, r->ms.high,
           r->wall_ms, (double)r->bytes * 1e-6);
    if (isnan(gbps))
        printf("        -        -");
    else
        printf(" %8.2f %8.2f", gbps, of_copy);
    if (r->flops != 0 && !isnan(bench_record_gflops(r)))
        printf(" %9.1f %8.2f", bench_record_gflops(r), bench_record_of_peak(r));
    putchar('\n');
}

static void print_plan(const bench_record *r) {
    if (r->context_ms > 0.0)
        printf("  %-7s plan: context %.2f ms, first plan %.2f ms, first step %.1f ms", r->solver, r->context_ms,
               r->ms.median, r->first_call_ms);
    else
        printf(", second plan %.3f ms\n", r->ms.median);
}

static double peak_of(const bench_records *records, size_t first) {
    double peak = 0.0;
    for (size_t i = first; i < records->count; ++i)
        peak = fmax(peak, records->list[i].peak_gflops);
    return peak;
}

void bench_report_case(const bench_records *records, size_t first) {
    const bench_record *r = &records->list[first];
    printf("\n%s: %" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64
           "%s, vector %u, group %u, bin group %u, chunks %u, sets %u, bins in %s memory, %s, run %u, sums %s\n",
           r->of.name, r->of.images, r->of.classes, r->of.height, r->of.width,
           r->of.losses_only ? ", from losses (logits do not fit)" : "", (unsigned)r->tuning.vector_width,
           (unsigned)r->tuning.group_size, (unsigned)r->tuning.bin_group, (unsigned)r->tuning.chunks,
           (unsigned)r->tuning.bin_sets, r->tuning.bin_memory == 2 ? "local" : "global",
           r->tuning.streaming == 2 ? "streamed" : "cached", (unsigned)r->tuning.run,
           r->tuning.sums == 2 ? "left" : "found again");
    if (bench_case_interpolates(&r->of))
        printf("  logits of %" PRIu64 " x %" PRIu64 ", interpolated%s; peak %.0f GFLOP/s; the copy is of losses\n",
               r->of.logits_height, r->of.logits_width, r->of.align_corners ? " with corners aligned" : "",
               peak_of(records, first));
    printf("  both solvers give the same bits: L %.9g, alpha %.9g\n", (double)r->loss, (double)r->alpha);
    printf("  %-7s %-10s %9s %9s %9s %9s %10s %8s %8s%s\n", "solver", "stage", "ms", "quartile", "quartile", "wall ms",
           "MB", "GB/s", "of copy", bench_case_interpolates(&r->of) ? "   GFLOP/s  of peak" : "");
    for (size_t i = first; i < records->count; ++i)
        if (records->list[i].plan == NULL)
            print_stage(&records->list[i]);
    for (size_t i = first; i < records->count; ++i)
        if (records->list[i].plan != NULL)
            print_plan(&records->list[i]);
    fflush(stdout);
}
