/*
 * How a pipeline uses libclmp: its own OpenCL context, its own in-order queue, its own buffers.  Everything from the
 * upload of the labels to the download of the weights is enqueued; the host waits once, at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "demo_pool.h"

#include "core/choice.h"
#include "demo_say.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct demo_pool {
    clmp_device_info info;
    cl_context context;
    cl_command_queue queue;
    clmp_context *clmp;
    clmp_plan *plan;
    size_t pixels, logits_count;
    cl_mem logits, labels, losses, weights, result, workspace;
    float *mapped; /* the logits, while the host fills them */
};

static void log_line(void *user, const char *message) {
    (void)user;
    demo_note("libclmp: %s", message);
}

static bool choose_device(const char *wanted, clmp_device_info *chosen) {
    enum { MOST = 32 };
    clmp_device_info infos[MOST];
    size_t count = 0;
    const clmp_status status = clmp_list_devices(infos, MOST, &count);
    if (status != CLMP_OK)
        return demo_fail("cannot list OpenCL devices: %s", clmp_status_text(status));
    count = count < MOST ? count : MOST;
    const size_t picked = clmp_device_pick(infos, count, wanted);
    if (picked < count) {
        *chosen = infos[picked];
        return true;
    }
    if (count == 0)
        return demo_fail(
            "no OpenCL device; Debian's package pocl-opencl-icd makes one of the processor, if it can write "
            "to its cache (POCL_CACHE_DIR)");
    char why[CLMP_CHOICE_WORDS];
    (void)clmp_device_no_pick(infos, count, wanted, why);
    return demo_fail("%s", why);
}

demo_pool *demo_pool_open(const char *device) {
    demo_pool *pool = calloc(1, sizeof *pool);
    if (!pool || !choose_device(device, &pool->info)) {
        if (!pool)
            demo_fail("out of memory");
        free(pool);
        return NULL;
    }
    const cl_context_properties platform[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)pool->info.platform, 0};
    cl_int error;
    pool->context = clCreateContext(platform, 1, &pool->info.device, NULL, NULL, &error);
    if (error == CL_SUCCESS)
        pool->queue = clCreateCommandQueue(pool->context, pool->info.device, 0, &error);
    if (error != CL_SUCCESS) {
        demo_fail("cannot open %s: OpenCL error %d", pool->info.name, (int)error);
        demo_pool_close(pool);
        return NULL;
    }
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = log_line;
    const clmp_status status = clmp_context_create(pool->context, pool->info.device, &params, &pool->clmp);
    if (status != CLMP_OK) {
        demo_fail("libclmp: %s", clmp_status_text(status));
        demo_pool_close(pool);
        return NULL;
    }
    return pool;
}

void demo_pool_close(demo_pool *pool) {
    if (!pool)
        return;
    if (pool->mapped)
        clEnqueueUnmapMemObject(pool->queue, pool->logits, pool->mapped, 0, NULL, NULL);
    if (pool->queue)
        clFinish(pool->queue);
    clmp_plan_destroy(pool->plan);
    clmp_context_destroy(pool->clmp);
    const cl_mem buffers[] = {pool->logits, pool->labels, pool->losses, pool->weights, pool->result, pool->workspace};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
    if (pool->queue)
        clReleaseCommandQueue(pool->queue);
    if (pool->context)
        clReleaseContext(pool->context);
    free(pool);
}

const char *demo_pool_device(const demo_pool *pool) {
    return pool->info.name;
}

size_t demo_pool_capacity(const demo_pool *pool, size_t image_bytes, size_t bytes) {
    /* A quarter of the device's memory leaves room for whoever else uses it. */
    cl_ulong room = pool->info.global_memory / 4;
    if (room > pool->info.max_alloc)
        room = pool->info.max_alloc;
    if (room > bytes)
        room = bytes;
    const size_t images = (size_t)room / image_bytes;
    return images > 0 ? images : 1;
}

bool demo_pool_prepare(demo_pool *pool, const clmp_plan_params *params) {
    const clmp_status status = clmp_plan_create(pool->clmp, params, &pool->plan);
    if (status != CLMP_OK)
        return demo_fail("libclmp: %s", clmp_status_text(status));
    pool->pixels = (size_t)(params->images * params->height * params->width);
    pool->logits_count = pool->pixels * (size_t)params->classes;
    const struct {
        cl_mem *buffer;
        cl_mem_flags flags;
        size_t size;
    } wanted[] = {
        {&pool->logits, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, pool->logits_count * sizeof(float)},
        {&pool->labels, CL_MEM_READ_ONLY, pool->pixels},
        {&pool->losses, CL_MEM_READ_WRITE, pool->pixels * sizeof(float)},
        {&pool->weights, CL_MEM_READ_WRITE, pool->pixels * sizeof(float)},
        {&pool->result, CL_MEM_READ_WRITE, clmp_plan_result_count(pool->plan) * sizeof(clmp_result)},
        {&pool->workspace, CL_MEM_READ_WRITE, clmp_plan_workspace_size(pool->plan)},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        cl_int error;
        *wanted[i].buffer = clCreateBuffer(pool->context, wanted[i].flags, wanted[i].size, NULL, &error);
        if (error != CL_SUCCESS)
            return demo_fail("cannot allocate %zu MiB on the device: OpenCL error %d", wanted[i].size >> 20,
                             (int)error);
    }
    return true;
}

float *demo_pool_map_logits(demo_pool *pool) {
    cl_int error;
    pool->mapped = clEnqueueMapBuffer(pool->queue, pool->logits, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0,
                                      pool->logits_count * sizeof(float), 0, NULL, NULL, &error);
    if (error != CL_SUCCESS) {
        demo_fail("cannot map the logits: OpenCL error %d", (int)error);
        pool->mapped = NULL;
    }
    return pool->mapped;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static cl_int read_back(demo_pool *pool, demo_pooled *pooled) {
    const size_t bytes = pool->pixels * sizeof(float);
    cl_int error = clEnqueueReadBuffer(pool->queue, pool->losses, CL_FALSE, 0, bytes, pooled->losses, 0, NULL, NULL);
    if (error == CL_SUCCESS)
        error = clEnqueueReadBuffer(pool->queue, pool->weights, CL_FALSE, 0, bytes, pooled->weights, 0, NULL, NULL);
    if (error == CL_SUCCESS)
        error = clEnqueueReadBuffer(pool->queue, pool->result, CL_FALSE, 0, sizeof pooled->result, &pooled->result, 0,
                                    NULL, NULL);
    return error == CL_SUCCESS ? clFinish(pool->queue) : error;
}

/* A pipeline would hand the gradient on to the layer below; here its size is all that is shown. */
static cl_int sum_gradient(demo_pool *pool, double *sum) {
    cl_int error;
    const size_t bytes = pool->logits_count * sizeof(float);
    float *gradient =
        clEnqueueMapBuffer(pool->queue, pool->logits, CL_TRUE, CL_MAP_READ, 0, bytes, 0, NULL, NULL, &error);
    if (error != CL_SUCCESS)
        return error;
    *sum = 0;
    for (size_t i = 0; i < pool->logits_count; i++)
        *sum += fabs((double)gradient[i]);
    return clEnqueueUnmapMemObject(pool->queue, pool->logits, gradient, 0, NULL, NULL);
}

bool demo_pool_run(demo_pool *pool, const uint8_t *labels, demo_pooled *pooled) {
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = pool->logits;
    buffers.labels.mem = pool->labels;
    buffers.losses.mem = pool->losses;
    buffers.weights.mem = pool->weights;
    buffers.result.mem = pool->result;
    buffers.workspace.mem = pool->workspace;
    buffers.gradient.mem = pool->logits; /* the logits are not needed any more: the gradient takes their place */
    buffers.in_place = true;

    const double start = now();
    cl_int error = clEnqueueUnmapMemObject(pool->queue, pool->logits, pool->mapped, 0, NULL, NULL);
    pool->mapped = NULL;
    if (error == CL_SUCCESS)
        error = clEnqueueWriteBuffer(pool->queue, pool->labels, CL_FALSE, 0, pool->pixels, labels, 0, NULL, NULL);
    if (error == CL_SUCCESS) {
        const clmp_status status = clmp_enqueue_gradient(pool->plan, pool->queue, &buffers, 0, NULL, NULL);
        if (status != CLMP_OK)
            return demo_fail("libclmp: %s", clmp_status_text(status));
        error = read_back(pool, pooled);
    }
    pooled->seconds = now() - start;
    if (error == CL_SUCCESS)
        error = sum_gradient(pool, &pooled->gradient_sum);
    return error == CL_SUCCESS || demo_fail("OpenCL error %d", (int)error);
}
