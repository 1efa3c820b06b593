/*
 * clmp-bench: how long each stage takes, and how that compares with a plain copy.  bench_run.h says how stages are told
 * apart; README.md in this folder, how to read the table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench_json.h"
#include "bench_launch.h"
#include "bench_report.h"
#include "bench_run.h"
#include "bench_startup.h"
#include "bench_tune.h"
#include "bench_variants.h"
#include "core/choice.h"
#include "numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCALING_BEGIN = 16 };

/* Half of the memory, for all buffers of a case: the workspaces and other programs need some, too. */
static bool fits(const bench_device *device, const bench_case *of) {
    const bool planes_only = of->losses_only || bench_case_interpolates(of);
    const cl_ulong tensor = bench_case_pixels(of) * sizeof(float) * (planes_only ? 1 : of->classes);
    return tensor <= device->info.max_alloc && bench_sets_size(device, of) <= device->info.global_memory / 2;
}

static enum bench_status run_case(const bench_device *device, const bench_case *of, const bench_options *options,
                                  bench_records *records) {
    const size_t first = records->count;
    if (!fits(device, of))
        return bench_fail(BENCH_OK, "%s is left out: it does not fit into the memory of %s", of->name,
                          device->info.name);
    const enum bench_status status = bench_run_case(device, of, options, records);
    if (status != BENCH_OK)
        return status;
    bench_report_case(records, first);
    /* after each case: whatever stops a long run, what it has found is kept */
    return options->json != NULL ? bench_json_write(records, options->json) : BENCH_OK;
}

static enum bench_status run_scaling(const bench_device *device, const bench_options *options, bench_records *records) {
    enum bench_status status = BENCH_OK;
    for (unsigned i = SCALING_BEGIN; i <= options->scaling_end && status == BENCH_OK; ++i) {
        bench_case of = bench_case_scaled(i);
        of.losses_only = !fits(device, &of);
        status = run_case(device, &of, options, records);
    }
    return status;
}

static enum bench_status run_device(const clmp_device_info *info, size_t number, const bench_options *options,
                                    bench_records *records) {
    bench_device device;
    enum bench_status status = bench_device_open(info, &device);
    if (status == BENCH_OK && options->tuning != NULL)
        status = bench_plans_check_tuning(&device);
    if (status == BENCH_OK)
        bench_report_device(&device);
    if (status == BENCH_OK && options->tune) {
        status = bench_tune(&device, options->cases[0], options);
        bench_device_close(&device);
        return status;
    }
    bench_time launch;
    if (status == BENCH_OK)
        status = bench_launch(&device, &launch);
    if (status == BENCH_OK)
        bench_report_launch(&launch);
    if (status == BENCH_OK && options->case_count != 0)
        status = bench_startup(info, number, records);
    for (size_t i = 0; i < options->case_count && status == BENCH_OK; ++i)
        status = run_case(&device, options->cases[i], options, records);
    if (status == BENCH_OK && options->scaling_end != 0)
        status = run_scaling(&device, options, records);
    if (status == BENCH_OK && options->variants)
        status = bench_variants(&device, options, records);
    if (status == BENCH_OK && options->variants && options->json != NULL)
        status = bench_json_write(records, options->json);
    bench_device_close(&device);
    return status;
}

static enum bench_status run_devices(const clmp_device_info *infos, size_t count, const bench_options *options,
                                     bench_records *records) {
    enum bench_status result = BENCH_OK;
    size_t matches = 0, runs = 0;
    for (size_t i = 0; i < count; ++i) {
        if (!clmp_device_is_meant(infos, count, i, options->device))
            continue;
        ++matches;
        if (!infos[i].supported) {
            bench_fail(BENCH_OK, "%s is left out: it lacks %s", infos[i].name, infos[i].lacks);
            continue;
        }
        if (runs++ > 0)
            putchar('\n');
        const enum bench_status status = run_device(&infos[i], i, options, records);
        if (status == BENCH_BAD_USE)
            return status; /* and would be on all devices */
        if (status != BENCH_OK)
            result = status; /* the other devices may be well */
    }
    if (matches == 0)
        return bench_fail(BENCH_BAD_USE, "--device is '%s', which is no device (see clmp devices)", options->device);
    if (runs == 0)
        return bench_fail(BENCH_DEVICE_FAILED, "no device to measure");
    return result;
}

static enum bench_status run(const bench_options *options) {
    size_t capacity = 0, count = 0;
    enum bench_status status = options->json != NULL ? bench_json_probe(options->json) : BENCH_OK;
    if (status != BENCH_OK)
        return status;
    if (clmp_list_devices(NULL, 0, &capacity) != CLMP_OK || capacity == 0)
        return bench_fail(BENCH_DEVICE_FAILED,
                          "there is no OpenCL device; is a driver installed, and can PoCL write to its cache "
                          "(POCL_CACHE_DIR)?");
    clmp_device_info *infos = calloc(capacity, sizeof *infos);
    if (infos == NULL || clmp_list_devices(infos, capacity, &count) != CLMP_OK) {
        free(infos);
        return bench_fail(BENCH_DEVICE_FAILED, "no memory for the list of devices");
    }
    bench_records records = {.list = NULL};
    status = run_devices(infos, count < capacity ? count : capacity, options, &records);
    if (options->json != NULL && status != BENCH_BAD_USE) { /* what was measured before a failure is kept */
        const enum bench_status written = bench_json_write(&records, options->json);
        status = status != BENCH_OK ? status : written;
    }
    bench_records_release(&records);
    free(infos);
    return status;
}

int main(int argc, char **argv) {
    bench_options options;
    numbers_begin();
    enum bench_status status = bench_options_read(argc, argv, &options);
    if (status == BENCH_OK && options.startup_child)
        status = bench_startup_child(options.device);
    else if (status == BENCH_OK && !options.help)
        status = run(&options);
    if (fflush(stdout) != 0 || ferror(stdout))
        status = status != BENCH_OK ? status : bench_fail(BENCH_BAD_USE, "cannot write to standard output");
    return (int)status;
}
