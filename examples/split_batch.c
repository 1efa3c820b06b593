/* One batch over two devices, split by how fast they are: each thread has a device, a queue and a plan for its images,
 * and all get the loss of the whole batch.  Name two devices, as clmp devices lists them; by default both are the first
 * one.
 *
 *     ./split_batch [DEVICE DEVICE]
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It prints:
 *     L = 1.110839 on one device
 *     L = 1.110839 on two, the same bits: yes
 */
#include <clmp/clmp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { IMAGES = 8, CLASSES = 5, SIDE = 64, PIXELS = SIDE * SIDE, DEVICES = 2, TRIALS = 3 };

static float logits[IMAGES][CLASSES][PIXELS];
static unsigned char labels[IMAGES][PIXELS];

struct worker {
    clmp_context *context;
    cl_command_queue queue;
    clmp_ranks ranks;
    int first, images; /* its part of the batch */
    double seconds;    /* for an image */
    float loss;
    int failed;
    clmp_local_ranks *group;
};

static double now(void) {
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int buffer(cl_context cl, size_t size, void *from, cl_mem *mem) {
    cl_int error;
    *mem = clCreateBuffer(cl, CL_MEM_READ_WRITE | (from != NULL ? CL_MEM_COPY_HOST_PTR : 0), size, from, &error);
    return error != CL_SUCCESS;
}

/* The loss and the gradient of a worker's images, some times over; alone, or with the other ranks. */
static int run(struct worker *worker, const clmp_ranks *ranks, int steps) {
    cl_context cl = clmp_context_cl(worker->context);
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.images = (uint64_t)worker->images;
    params.classes = CLASSES;
    params.height = params.width = SIDE;
    params.ranks = ranks;
    clmp_plan *plan = NULL;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    const size_t images = (size_t)worker->images;
    int failed = clmp_plan_create(worker->context, &params, &plan) != CLMP_OK ||
                 buffer(cl, images * sizeof logits[0], logits[worker->first], &buffers.logits.mem) ||
                 buffer(cl, images * sizeof labels[0], labels[worker->first], &buffers.labels.mem) ||
                 buffer(cl, images * sizeof logits[0], NULL, &buffers.gradient.mem) ||
                 buffer(cl, sizeof(clmp_result), NULL, &buffers.result.mem);
    clmp_result result = {0};
    for (int step = 0; step < steps && !failed; ++step) {
        const double begin = now();
        failed = clmp_enqueue_gradient(plan, worker->queue, &buffers, 0, NULL, NULL) != CLMP_OK ||
                 clEnqueueReadBuffer(worker->queue, buffers.result.mem, CL_FALSE, 0, sizeof result, &result, 0, NULL,
                                     NULL) != CL_SUCCESS ||
                 clFinish(worker->queue) != CL_SUCCESS;
        worker->seconds = (now() - begin) / worker->images; /* the last one's: the first makes the workspace */
    }
    worker->loss = result.loss;
    cl_mem mems[] = {buffers.logits.mem, buffers.labels.mem, buffers.gradient.mem, buffers.result.mem};
    for (size_t i = 0; i < sizeof mems / sizeof mems[0]; ++i)
        if (mems[i] != NULL)
            clReleaseMemObject(mems[i]);
    clmp_plan_destroy(plan);
    return failed;
}

static void *work(void *of) {
    struct worker *worker = of;
    worker->failed = run(worker, &worker->ranks, 1);
    if (worker->failed)
        clmp_local_ranks_abort(worker->group); /* or the other would wait for this one */
    return NULL;
}

int main(int argc, char **argv) {
    for (int i = 0; i < IMAGES; ++i)
        for (int u = 0; u < PIXELS; ++u) {
            labels[i][u] = (unsigned char)((u % SIDE / 16 + i) % CLASSES);
            for (int c = 0; c < CLASSES; ++c)
                logits[i][c][u] = (float)((u * 7 + c * 13 + i * 29) % 31) / 8.0f + (c == labels[i][u] ? 2.0f : 0.0f);
        }
    struct worker workers[DEVICES];
    memset(workers, 0, sizeof workers);
    clmp_local_ranks *group;
    if (clmp_local_ranks_create(DEVICES, &group))
        return 1;
    for (int d = 0; d < DEVICES; ++d) {
        struct worker *worker = &workers[d];
        cl_int error;
        worker->group = group;
        clmp_ranks_init(&worker->ranks);
        if (clmp_local_ranks_get(group, (uint32_t)d, &worker->ranks) ||
            clmp_context_open(argc > DEVICES ? argv[1 + d] : NULL, NULL, &worker->context))
            return 1;
        worker->queue =
            clCreateCommandQueue(clmp_context_cl(worker->context), clmp_context_device(worker->context), 0, &error);
        worker->images = IMAGES;
        if (error != CL_SUCCESS || run(worker, NULL, TRIALS))
            return 1;
    }
    const float alone = workers[0].loss;
    printf("L = %.6f on one device\n", (double)alone);

    /* in proportion to the images a second, at least one each */
    const double speeds[DEVICES] = {1.0 / workers[0].seconds, 1.0 / workers[1].seconds};
    int first = (int)(IMAGES * speeds[0] / (speeds[0] + speeds[1]) + 0.5);
    first = first < 1 ? 1 : first > IMAGES - 1 ? IMAGES - 1 : first;
    workers[0].images = workers[1].first = first;
    workers[1].images = IMAGES - first;
    fprintf(stderr, "%d images on the first device, %d on the second\n", first, IMAGES - first);

    pthread_t threads[DEVICES];
    for (int d = 0; d < DEVICES; ++d)
        if (pthread_create(&threads[d], NULL, work, &workers[d]) != 0)
            return 1;
    for (int d = 0; d < DEVICES; ++d)
        pthread_join(threads[d], NULL);
    if (workers[0].failed || workers[1].failed)
        return 1;
    const int same =
        memcmp(&workers[0].loss, &alone, sizeof alone) == 0 && memcmp(&workers[1].loss, &alone, sizeof alone) == 0;
    printf("L = %.6f on two, the same bits: %s\n", (double)workers[0].loss, same ? "yes" : "no");
    for (int d = 0; d < DEVICES; ++d) {
        clReleaseCommandQueue(workers[d].queue);
        clmp_context_destroy(workers[d].context);
    }
    clmp_local_ranks_destroy(group);
    return same ? 0 : 1;
}
