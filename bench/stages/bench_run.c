/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_run.h"

#include <math.h>
#include <stdlib.h>

/* A sample is the mean of so many calls in a row that it takes about this long. */
#define SAMPLE_MS 2.0
enum { MOST_BATCH = 64, WARM_UPS = 2 };

struct call {
    const bench_run *run;
    enum bench_entry entry;
    clmp_solver solver;
};

static enum bench_status copy(const bench_run *run, uint64_t turn, cl_event *event) {
    const bench_sets *sets = &run->sets;
    const bool losses = run->of->losses_only || bench_case_interpolates(run->of);
    const size_t set = (size_t)turn % (losses ? sets->loss_count : sets->logit_count);
    const cl_int error = clEnqueueCopyBuffer(run->device->queue, losses ? sets->losses[set] : sets->logits[set],
                                             losses ? sets->weights[set] : sets->gradients[set], 0, 0,
                                             losses ? sets->plane_size : sets->logits_size, 0, NULL, event);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(run->device, "clEnqueueCopyBuffer", error);
}

static enum bench_status enqueue(void *user, uint64_t turn, cl_event *event) {
    const struct call *call = user;
    const bench_run *run = call->run;
    const bench_sets *sets = &run->sets;
    const bench_plans *plans = &run->plans[call->solver];
    cl_command_queue queue = run->device->queue;
    if (call->entry == BENCH_COPY)
        return copy(run, turn, event);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.result.mem = sets->result[call->solver];
    clmp_status status;
    if (call->entry == BENCH_STEP || call->entry == BENCH_LOSS) {
        const size_t set = (size_t)turn % sets->logit_count;
        buffers.logits.mem = sets->logits[set];
        buffers.labels.mem = sets->labels[set];
        buffers.gradient.mem = sets->gradients[set];
        status = call->entry == BENCH_STEP ? clmp_enqueue_gradient(plans->logits, queue, &buffers, 0, NULL, event)
                                           : clmp_enqueue_loss(plans->logits, queue, &buffers, 0, NULL, event);
    } else {
        const size_t set = (size_t)turn % sets->loss_count;
        buffers.losses.mem = sets->losses[set];
        if (call->entry == BENCH_WEIGHTS)
            buffers.weights.mem = sets->weights[set];
        status = clmp_enqueue_weights(plans->losses, queue, &buffers, 0, NULL, event);
    }
    return status == CLMP_OK ? BENCH_OK
                             : bench_fail(BENCH_DEVICE_FAILED, "an entry failed on %s: %s", run->device->info.name,
                                          clmp_status_text(status));
}

static bool measured(const bench_run *run, clmp_solver solver, enum bench_entry entry) {
    if (entry == BENCH_COPY)
        return solver == CLMP_SOLVER_SEARCH;
    return !run->of->losses_only || entry == BENCH_THRESHOLD || entry == BENCH_WEIGHTS;
}

/* Compiles what is compiled at the first use, and finds out how many calls make a sample. */
static enum bench_status warm_up(bench_run *run, struct call *call, size_t *batch) {
    bench_time time = {0.0, 0.0};
    for (int i = 0; i < WARM_UPS; ++i) {
        const enum bench_status status = bench_measure(run->device, enqueue, call, (uint64_t)i, 1, &time);
        if (status != BENCH_OK)
            return status;
    }
    const double wanted = ceil(SAMPLE_MS / (time.wall > 1e-6 ? time.wall : 1e-6));
    *batch = wanted < MOST_BATCH ? (size_t)wanted : MOST_BATCH;
    return BENCH_OK;
}

/* Sample number `index` of every entry; number 0 is preceded by warm-up. */
static enum bench_status sample_all(bench_run *run, size_t index, bench_series series[BENCH_SOLVERS][BENCH_ENTRIES]) {
    for (int entry = 0; entry < BENCH_ENTRIES; ++entry)
        for (int solver = 0; solver < BENCH_SOLVERS; ++solver) {
            struct call call = {run, (enum bench_entry)entry, (clmp_solver)solver};
            bench_series *to = &series[solver][entry];
            if (!measured(run, call.solver, call.entry))
                continue;
            enum bench_status status = BENCH_OK;
            bench_time time = {0.0, 0.0};
            if (index == 0)
                status = warm_up(run, &call, &to->batch);
            if (status == BENCH_OK)
                status = bench_measure(run->device, enqueue, &call, index * to->batch, to->batch, &time);
            if (status != BENCH_OK)
                return status;
            to->ms[index] = time.ms;
            to->wall[index] = time.wall;
        }
    return BENCH_OK;
}

static enum bench_status sample(bench_run *run, bench_records *records) {
    const size_t repeat = run->options->repeat;
    bench_series series[BENCH_SOLVERS][BENCH_ENTRIES];
    double *samples = calloc((size_t)BENCH_SOLVERS * BENCH_ENTRIES * 2 * repeat, sizeof *samples);
    if (samples == NULL)
        return bench_fail(BENCH_DEVICE_FAILED, "no memory for samples");
    double *next = samples;
    for (int solver = 0; solver < BENCH_SOLVERS; ++solver)
        for (int entry = 0; entry < BENCH_ENTRIES; ++entry, next += 2 * repeat)
            series[solver][entry] = (bench_series){next, next + repeat, 1};
    enum bench_status status = BENCH_OK;
    for (size_t i = 0; i < repeat && status == BENCH_OK; ++i) {
        bench_progress("%s: sample %zu of %zu", run->of->name, i + 1, repeat);
        status = sample_all(run, i, series);
    }
    if (status == BENCH_OK && !bench_stages(run, series, records))
        status = bench_fail(BENCH_DEVICE_FAILED, "no memory for records");
    free(samples);
    return status;
}

static enum bench_status prepare(bench_run *run) {
    enum bench_status status = BENCH_OK;
    bench_progress("%s: plans", run->of->name);
    for (int solver = 0; solver < BENCH_SOLVERS && status == BENCH_OK; ++solver)
        status = bench_plans_create(run->device, run->of, (clmp_solver)solver, &(clmp_tuning){0}, &run->plans[solver]);
    if (status != BENCH_OK)
        return status;
    if (bench_case_interpolates(run->of)) {
        bench_progress("%s: peak", run->of->name);
        status = bench_peak(run->device, clmp_plan_tuning(run->plans[0].logits).vector_width, &run->peak_gflops);
        if (status != BENCH_OK)
            return status;
    }
    bench_progress("%s: data", run->of->name);
    status = bench_sets_create(run->device, run->of, &run->sets);
    if (status == BENCH_OK && run->of->losses_only)
        status = bench_sets_fill_losses(&run->sets);
    bench_progress("%s: do the solvers agree", run->of->name);
    if (status == BENCH_OK)
        status = bench_check(run);
    /* the check has left losses with 0 where a pixel is ignored */
    if (status == BENCH_OK && !run->of->losses_only)
        status = bench_sets_fill_losses(&run->sets);
    return status;
}

enum bench_status bench_run_case(const bench_device *device, const bench_case *of, const bench_options *options,
                                 bench_records *records) {
    bench_run run = {.device = device, .of = of, .options = options};
    enum bench_status status = prepare(&run);
    if (status == BENCH_OK)
        status = sample(&run, records);
    clFinish(device->queue);
    for (int solver = 0; solver < BENCH_SOLVERS; ++solver)
        bench_plans_release(&run.plans[solver]);
    bench_sets_release(&run.sets);
    bench_progress("%s", "");
    return status;
}
