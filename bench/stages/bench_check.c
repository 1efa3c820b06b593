/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_run.h"

#include <inttypes.h>

static enum bench_status solve(bench_run *run, clmp_solver solver) {
    const bench_sets *sets = &run->sets;
    const bench_plans *plans = &run->plans[solver];
    cl_command_queue queue = run->device->queue;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.weights.mem = sets->weights[solver];
    buffers.result.mem = sets->result[solver];
    clmp_status status;
    const double begin = bench_now();
    if (run->of->losses_only) {
        buffers.losses.mem = sets->losses[0];
        status = clmp_enqueue_weights(plans->losses, queue, &buffers, 0, NULL, NULL);
    } else {
        buffers.logits.mem = sets->logits[0];
        buffers.labels.mem = sets->labels[0];
        buffers.losses.mem = sets->losses[solver];
        buffers.gradient.mem = sets->gradients[solver];
        status = clmp_enqueue_gradient(plans->logits, queue, &buffers, 0, NULL, NULL);
    }
    if (status != CLMP_OK)
        return bench_fail(BENCH_DEVICE_FAILED, "the %s solver failed: %s", bench_solver_name(solver),
                          clmp_status_text(status));
    const cl_int error = clEnqueueReadBuffer(queue, sets->result[solver], CL_TRUE, 0, sizeof(clmp_result),
                                             &run->result[solver], 0, NULL, NULL);
    run->first_call_ms[solver] = bench_now() - begin;
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(run->device, "clEnqueueReadBuffer", error);
}

enum bench_status bench_check(bench_run *run) {
    const bench_sets *sets = &run->sets;
    const struct {
        const char *name;
        const cl_mem *outputs; /* by solver */
        size_t size;
    } compared[] = {{"results", sets->result, sizeof(clmp_result)},
                    {"weights", sets->weights, sets->plane_size},
                    {"losses", sets->losses, run->of->losses_only ? 0 : sets->plane_size},
                    {"gradients", sets->gradients, sets->logits_size}};
    const clmp_result *search = &run->result[CLMP_SOLVER_SEARCH], *sort = &run->result[CLMP_SOLVER_SORT];
    enum bench_status status = solve(run, CLMP_SOLVER_SEARCH);
    if (status == BENCH_OK)
        status = solve(run, CLMP_SOLVER_SORT);
    for (size_t i = 0; i < sizeof compared / sizeof compared[0] && status == BENCH_OK; ++i) {
        bool same = true;
        const cl_mem *outputs = compared[i].outputs;
        status = bench_sets_same(run->device, outputs[CLMP_SOLVER_SEARCH], outputs[CLMP_SOLVER_SORT], compared[i].size,
                                 &same);
        if (status == BENCH_OK && !same)
            status = bench_fail(BENCH_DEVICE_FAILED,
                                "the solvers' %s are not the same for %s on %s: search gives L %.9g, alpha %.9g, "
                                "support %" PRIu64 ", sort %.9g, %.9g, %" PRIu64,
                                compared[i].name, run->of->name, run->device->info.name, (double)search->loss,
                                (double)search->alpha, (uint64_t)search->support, (double)sort->loss,
                                (double)sort->alpha, (uint64_t)sort->support);
    }
    return status;
}
