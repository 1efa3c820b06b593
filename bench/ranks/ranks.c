/*
 * clmp-ranks: what one batch over the processes of MPI costs a step: how long the step takes, and how much of that its
 * sums over the ranks do.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * usage: clmp-ranks [--mpi]      mpirun -n N clmp-ranks --mpi
 *
 * Each rank has one image of 19 classes and 512 x 1024 pixels on its own default device.  One JSON object: the number
 * of ranks, medians over the steps of the first rank (milliseconds), calls of allreduce a step and the bytes that they
 * add.  Without
 * --mpi: a plan without ranks.  The time of allreduce has the waiting for ranks that come later.
 */
#include "ranks.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLASSES = 19, HEIGHT = 512, WIDTH = 1024, PIXELS = HEIGHT * WIDTH, WARM = 3, STEPS = 31 };

struct bench {
    struct ranks ranks;
    clmp_context *context;
    cl_command_queue queue;
    clmp_plan *plan;
    clmp_buffers buffers;
    /* of the step that runs */
    double waited;
    size_t calls, bytes;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The ranks' own allreduce, with a watch. */
static int timed_allreduce(void *user, uint64_t *sums, size_t count) {
    struct bench *bench = user;
    const double start = now();
    const int result = bench->ranks.use.allreduce(bench->ranks.use.user, sums, count);
    bench->waited += now() - start;
    ++bench->calls;
    bench->bytes += count * sizeof *sums;
    return result;
}

static bool failed(const char *what, int code, struct failure *failure) {
    return fail_with(failure, EXIT_OF_DEVICE, "%s failed (%d)", what, code);
}

static bool make_buffer(struct bench *bench, const void *bytes, size_t size, clmp_buffer *buffer,
                        struct failure *failure) {
    cl_int error = CL_SUCCESS;
    buffer->mem = clCreateBuffer(clmp_context_cl(bench->context), CL_MEM_READ_WRITE, size, NULL, &error);
    if (error == CL_SUCCESS && bytes != NULL)
        error = clEnqueueWriteBuffer(bench->queue, buffer->mem, CL_TRUE, 0, size, bytes, 0, NULL, NULL);
    return error == CL_SUCCESS || failed("a buffer", error, failure);
}

static bool fill(struct bench *bench, struct failure *failure) {
    const size_t bytes = (size_t)CLASSES * PIXELS * sizeof(float);
    float *logits = malloc(bytes);
    unsigned char *labels = malloc(PIXELS);
    bool good = (logits != NULL && labels != NULL) || fail_memory(failure, "the images");
    uint64_t state = 12345 + bench->ranks.use.rank;
    for (size_t i = 0; good && i < (size_t)CLASSES * PIXELS; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        logits[i] = (float)((double)(state >> 40) / 0x1p21 - 4.0);
        if (i < PIXELS)
            labels[i] = (unsigned char)(state >> 33) % CLASSES;
    }
    good = good && make_buffer(bench, logits, bytes, &bench->buffers.logits, failure) &&
           make_buffer(bench, labels, PIXELS, &bench->buffers.labels, failure) &&
           make_buffer(bench, NULL, bytes, &bench->buffers.gradient, failure) &&
           make_buffer(bench, NULL, sizeof(clmp_result), &bench->buffers.result, failure);
    free(logits);
    free(labels);
    return good;
}

static bool prepare(struct bench *bench, struct failure *failure) {
    clmp_plan_params params;
    clmp_ranks ranks = bench->ranks.use;
    clmp_plan_params_init(&params);
    params.classes = CLASSES;
    params.height = HEIGHT;
    params.width = WIDTH;
    if (ranks.allreduce != NULL) {
        ranks.allreduce = timed_allreduce;
        ranks.user = bench;
        params.ranks = &ranks;
    }
    clmp_status status = clmp_context_open(NULL, NULL, &bench->context);
    if (status == CLMP_OK)
        status = clmp_plan_create(bench->context, &params, &bench->plan);
    if (status != CLMP_OK)
        return fail_with(failure, EXIT_OF_DEVICE, "no plan: %s", clmp_status_text(status));
    cl_int error = CL_SUCCESS;
    bench->queue =
        clCreateCommandQueue(clmp_context_cl(bench->context), clmp_context_device(bench->context), 0, &error);
    clmp_buffers_init(&bench->buffers);
    return (error == CL_SUCCESS || failed("clCreateCommandQueue", error, failure)) && fill(bench, failure);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool run(struct bench *bench, double step[STEPS], double waited[STEPS], struct failure *failure) {
    for (int i = 0; i < WARM + STEPS; ++i) {
        bench->waited = 0.0;
        bench->calls = bench->bytes = 0;
        const double start = now();
        const clmp_status status = clmp_enqueue_gradient(bench->plan, bench->queue, &bench->buffers, 0, NULL, NULL);
        const cl_int error = status == CLMP_OK ? clFinish(bench->queue) : CL_SUCCESS;
        if (status != CLMP_OK || error != CL_SUCCESS)
            return fail_with(failure, EXIT_OF_DEVICE, "a step failed: %s (%d)", clmp_status_text(status), (int)error);
        if (i >= WARM) {
            step[i - WARM] = now() - start;
            waited[i - WARM] = bench->waited;
        }
    }
    qsort(step, STEPS, sizeof *step, compare);
    qsort(waited, STEPS, sizeof *waited, compare);
    return true;
}

static void release(struct bench *bench) {
    const cl_mem memory[] = {bench->buffers.logits.mem, bench->buffers.labels.mem, bench->buffers.gradient.mem,
                             bench->buffers.result.mem};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; ++i)
        if (memory[i] != NULL)
            clReleaseMemObject(memory[i]);
    if (bench->queue != NULL)
        clReleaseCommandQueue(bench->queue);
    clmp_plan_destroy(bench->plan);
    clmp_context_destroy(bench->context);
}

static bool print(const struct bench *bench, const double *step, const double *waited, struct failure *failure) {
    json_t *object = json_pack("{s:I, s:f, s:f, s:I, s:I}", "ranks", (json_int_t)bench->ranks.use.size, "step_ms",
                               step[STEPS / 2], "allreduce_ms", waited[STEPS / 2], "calls", (json_int_t)bench->calls,
                               "bytes", (json_int_t)bench->bytes);
    char *text = object != NULL ? json_dumps(object, JSON_REAL_PRECISION(5)) : NULL;
    json_decref(object);
    if (text == NULL)
        return fail_memory(failure, "the JSON");
    puts(text);
    free(text);
    return true;
}

int main(int argc, char **argv) {
    const bool mpi = argc == 2 && strcmp(argv[1], "--mpi") == 0;
    struct failure failure = {.code = 0};
    struct bench bench = {.plan = NULL};
    double step[STEPS], waited[STEPS];
    if (argc > 2 || (argc == 2 && !mpi)) {
        fail_with(&failure, EXIT_OF_INPUT, "usage: clmp-ranks [--mpi]");
    } else if (ranks_open(mpi, &bench.ranks, &failure) && prepare(&bench, &failure) &&
               run(&bench, step, waited, &failure) && ranks_prints(&bench.ranks)) {
        print(&bench, step, waited, &failure);
    }
    release(&bench);
    ranks_close(&bench.ranks, NULL, &failure);
    if (failure.code != 0)
        failure_print(&failure, "clmp-ranks", NULL, stderr);
    const int code = failure.code;
    failure_clear(&failure);
    return code;
}
