/*
 * The search for a device's tuning: one parameter after another, each candidate against the best so far.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The two alternate, so that what else the machine does meets both, and ratios of their medians are what is compared.
 * What gains less than MARGIN is noise, and changes nothing.
 */
#include "bench_tune.h"

#include "bench_plans.h"
#include "bench_records.h"
#include "bench_sets.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define MARGIN 0.01
enum { MOST_VALUES = 12 };

/* A row of host/plan/tuning.c: as clmp_tuning, but work-groups for each compute unit, and UINT32_MAX sets for one each.
 */
struct choice {
    uint32_t vector_width, group_size, bin_group, chunks_per_unit, bin_sets, bin_memory, streaming, run, sums;
};

static const struct parameter {
    const char *name;
    size_t at; /* in struct choice */
    uint32_t values[MOST_VALUES];
} parameters[] = {
    {"vector_width", offsetof(struct choice, vector_width), {1, 2, 4, 8, 16}},
    {"group_size", offsetof(struct choice, group_size), {1, 8, 16, 32, 64, 128, 256, 512, 1024}},
    {"bin_memory", offsetof(struct choice, bin_memory), {1, 2}},
    {"bin_group", offsetof(struct choice, bin_group), {1, 32, 64, 128, 256, 512, 1024}},
    {"chunks_per_unit", offsetof(struct choice, chunks_per_unit), {1, 2, 4, 8, 16, 32}},
    {"bin_sets", offsetof(struct choice, bin_sets), {1, 2, 4, 8, 16, UINT32_MAX}},
    {"streaming", offsetof(struct choice, streaming), {1, 2}},
    {"run", offsetof(struct choice, run), {1, 2}},
    {"sums", offsetof(struct choice, sums), {1, 2}},
};
enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

static uint32_t *value_of(struct choice *choice, const struct parameter *parameter) {
    return (uint32_t *)((char *)choice + parameter->at);
}

struct candidate {
    const bench_device *device;
    const bench_sets *sets;
    bench_plans plans;
};

static clmp_tuning tuning_of(const struct choice *choice, const bench_device *device) {
    const uint32_t chunks = choice->chunks_per_unit * device->info.compute_units;
    return (clmp_tuning){.vector_width = choice->vector_width,
                         .group_size = choice->group_size,
                         .bin_group = choice->bin_group,
                         .chunks = chunks,
                         .bin_sets = choice->bin_sets < chunks ? choice->bin_sets : chunks,
                         .bin_memory = choice->bin_memory,
                         .streaming = choice->streaming,
                         .run = choice->run,
                         .sums = choice->sums};
}

static enum bench_status step(void *user, uint64_t turn, cl_event *event) {
    const struct candidate *candidate = user;
    const bench_sets *sets = candidate->sets;
    const size_t set = (size_t)turn % sets->logit_count;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = sets->logits[set];
    buffers.labels.mem = sets->labels[set];
    buffers.gradient.mem = sets->gradients[set];
    buffers.result.mem = sets->result[CLMP_SOLVER_SEARCH];
    const clmp_status status =
        clmp_enqueue_gradient(candidate->plans.logits, candidate->device->queue, &buffers, 0, NULL, event);
    return status == CLMP_OK ? BENCH_OK
                             : bench_fail(BENCH_DEVICE_FAILED, "a step failed: %s", clmp_status_text(status));
}

/* The medians of both, sampled in turns. */
static enum bench_status compare(struct candidate *both[2], size_t repeat, double ms[2]) {
    double *samples = calloc(2 * repeat, sizeof *samples);
    if (samples == NULL)
        return bench_fail(BENCH_DEVICE_FAILED, "no memory for samples");
    enum bench_status status = BENCH_OK;
    for (size_t i = 0; i < repeat + 1 && status == BENCH_OK; ++i)
        for (int j = 0; j < 2 && status == BENCH_OK; ++j) {
            bench_time time = {0.0, 0.0};
            status = bench_measure(both[j]->device, step, both[j], 2 * i + (size_t)j, 1, &time);
            if (i > 0) /* the first one may compile */
                samples[(size_t)j * repeat + i - 1] = time.ms;
        }
    for (int j = 0; j < 2 && status == BENCH_OK; ++j)
        ms[j] = bench_spread_of(samples + (size_t)j * repeat, repeat).median;
    free(samples);
    return status;
}

struct search {
    const bench_device *device;
    const bench_case *of;
    const bench_options *options;
    bench_sets sets;
    struct choice best;
    struct candidate current; /* the best choice's */
};

static enum bench_status make(const struct search *search, const struct choice *choice, struct candidate *candidate) {
    const clmp_tuning tuning = tuning_of(choice, search->device);
    *candidate = (struct candidate){.device = search->device, .sets = &search->sets};
    return bench_plans_create(search->device, search->of, CLMP_SOLVER_SEARCH, &tuning, &candidate->plans);
}

/* Tries a value, and keeps it if it gains. */
static enum bench_status try(struct search *search, const struct parameter *parameter, uint32_t value) {
    struct choice choice = search->best;
    *value_of(&choice, parameter) = value;
    struct candidate candidate;
    double ms[2] = {0.0, 0.0};
    bench_progress("%s %" PRIu32, parameter->name, value);
    enum bench_status status = make(search, &choice, &candidate);
    /* not every loss can leave sums */
    const bool taken = status == BENCH_OK && clmp_plan_tuning(candidate.plans.logits).sums == choice.sums;
    if (taken)
        status = compare((struct candidate *[2]){&candidate, &search->current}, search->options->repeat, ms);
    const bool kept = taken && status == BENCH_OK && ms[0] < (1.0 - MARGIN) * ms[1];
    bench_progress("%s", "");
    if (status == BENCH_BAD_USE) { /* more than this device has: the log has told */
        status = BENCH_OK;
    } else if (status == BENCH_OK && taken) {
        char text[16] = "one each";
        if (value != UINT32_MAX)
            snprintf(text, sizeof text, "%" PRIu32, value);
        printf("  %-16s %9s %10.3f ms %10.3f ms %8.3f%s\n", parameter->name, text, ms[0], ms[1], ms[0] / ms[1],
               kept ? "  better" : "");
        fflush(stdout);
    }
    if (kept) {
        struct candidate old = search->current;
        search->current = candidate;
        search->best = choice;
        candidate = old;
    }
    bench_plans_release(&candidate.plans);
    return status;
}

/* The library's own choice, where the search begins. */
static enum bench_status begin(struct search *search) {
    const clmp_tuning none = {0};
    search->current = (struct candidate){.device = search->device, .sets = &search->sets};
    const enum bench_status status =
        bench_plans_create(search->device, search->of, CLMP_SOLVER_SEARCH, &none, &search->current.plans);
    if (status != BENCH_OK)
        return status;
    const clmp_tuning tuning = clmp_plan_tuning(search->current.plans.logits);
    const uint32_t units = search->device->info.compute_units;
    search->best = (struct choice){.vector_width = tuning.vector_width,
                                   .group_size = tuning.group_size,
                                   .bin_group = tuning.bin_group,
                                   .chunks_per_unit = tuning.chunks > units ? tuning.chunks / units : 1,
                                   .bin_sets = tuning.bin_sets < tuning.chunks ? tuning.bin_sets : UINT32_MAX,
                                   .bin_memory = tuning.bin_memory,
                                   .streaming = tuning.streaming,
                                   .run = tuning.run,
                                   .sums = tuning.sums};
    return bench_sets_create(search->device, search->of, &search->sets);
}

static void print_row(const struct search *search) {
    const struct choice *best = &search->best;
    char sets[16] = "UINT32_MAX", sums_from[24] = "UINT32_MAX";
    if (best->bin_sets != UINT32_MAX)
        snprintf(sets, sizeof sets, "%" PRIu32, best->bin_sets);
    if (best->sums == 2) /* of this many classes they pay; of fewer, nobody has looked */
        snprintf(sums_from, sizeof sums_from, "%" PRIu64, search->of->classes);
    printf("\nthe row for host/plan/tuning.c:\n"
           "    {\"%s\", NULL, 0, %" PRIu32 ", %" PRIu32 ", %" PRIu32 ", %" PRIu32 ", %s, %s, %s, %" PRIu32 ", %s},\n",
           search->device->info.name, best->vector_width, best->group_size, best->bin_group, best->chunks_per_unit,
           sets, best->bin_memory == 2 ? "LOCAL_BINS" : "GLOBAL_BINS", best->streaming == 2 ? "STREAMED" : "CACHED",
           best->run, sums_from);
}

enum bench_status bench_tune(const bench_device *device, const bench_case *of, const bench_options *options) {
    struct search search = {.device = device, .of = of, .options = options};
    printf("\nthe tuning for %s, by a step's time; ratio: to the best so far\n", of->name);
    printf("  %-16s %9s %13s %13s %8s\n", "parameter", "value", "step", "best", "ratio");
    enum bench_status status = begin(&search);
    for (size_t i = 0; i < PARAMETERS && status == BENCH_OK; ++i)
        for (size_t j = 0; j < MOST_VALUES && parameters[i].values[j] != 0 && status == BENCH_OK; ++j)
            if (parameters[i].values[j] != *value_of(&search.best, &parameters[i]))
                status = try(&search, &parameters[i], parameters[i].values[j]);
    if (status == BENCH_OK)
        print_row(&search);
    clFinish(device->queue);
    bench_plans_release(&search.current.plans);
    bench_sets_release(&search.sets);
    return status;
}
