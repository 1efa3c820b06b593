/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_sets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 16)    /* pixels that are made at once */
#define COMPARED ((size_t)4 << 20) /* bytes that are compared at once */
/* Sets are made until they are twice the cache, as far as that is this size: a server's last-level cache, which others
 * share, would ask for gigabytes. */
#define MOST_CACHE ((cl_ulong)128 << 20)

/* `size`: bytes that one call touches */
static size_t count_sets(const bench_device *device, cl_ulong size) {
    const cl_ulong cache = device->cache < MOST_CACHE ? device->cache : MOST_CACHE;
    const cl_ulong count = (2 * cache + size - 1) / size;
    return count < 2 ? 2 : count > BENCH_MOST_SETS ? BENCH_MOST_SETS : (size_t)count;
}

static void measure_sets(const bench_device *device, const bench_case *of, bench_sets *sets) {
    *sets = (bench_sets){.device = device, .of = of};
    sets->plane_size = (size_t)bench_case_pixels(of) * sizeof(float);
    sets->logits_size = of->losses_only ? 0 : sets->plane_size * (size_t)of->classes;
    sets->logit_count = of->losses_only ? 0 : count_sets(device, 2 * sets->logits_size);
    sets->loss_count = count_sets(device, 2 * sets->plane_size);
}

cl_ulong bench_sets_size(const bench_device *device, const bench_case *of) {
    bench_sets sets;
    measure_sets(device, of, &sets);
    return (cl_ulong)sets.logit_count * (2 * sets.logits_size + sets.plane_size / sizeof(float)) +
           (cl_ulong)sets.loss_count * 2 * sets.plane_size;
}

static enum bench_status allocate(const bench_sets *sets, cl_mem *buffers, size_t count, size_t size) {
    for (size_t i = 0; i < count; ++i) {
        cl_int error = CL_SUCCESS;
        buffers[i] = clCreateBuffer(sets->device->cl, CL_MEM_READ_WRITE, size, NULL, &error);
        if (error != CL_SUCCESS) {
            buffers[i] = NULL;
            return bench_cl_failed(sets->device, "clCreateBuffer", error);
        }
    }
    return BENCH_OK;
}

static enum bench_status write_to(const bench_sets *sets, cl_mem buffer, size_t at, size_t size, const void *bytes) {
    const cl_int error = clEnqueueWriteBuffer(sets->device->queue, buffer, CL_TRUE, at, size, bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(sets->device, "clEnqueueWriteBuffer", error);
}

/* Set 0 to all others. */
static enum bench_status spread(const bench_sets *sets, const cl_mem *buffers, size_t count, size_t size) {
    cl_int error = CL_SUCCESS;
    for (size_t i = 1; i < count && error == CL_SUCCESS; ++i)
        error = clEnqueueCopyBuffer(sets->device->queue, buffers[0], buffers[i], 0, 0, size, 0, NULL, NULL);
    if (error == CL_SUCCESS)
        error = clFinish(sets->device->queue);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(sets->device, "clEnqueueCopyBuffer", error);
}

/* Touches every page, so that no measured call is the first to do it. */
static enum bench_status clear(const bench_sets *sets, const cl_mem *buffers, size_t count, size_t size) {
    const cl_uint zero = 0;
    cl_int error = CL_SUCCESS;
    for (size_t i = 0; i < count && error == CL_SUCCESS; ++i)
        error = clEnqueueFillBuffer(sets->device->queue, buffers[i], &zero, sizeof zero, 0, size, 0, NULL, NULL);
    if (error == CL_SUCCESS)
        error = clFinish(sets->device->queue);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(sets->device, "clEnqueueFillBuffer", error);
}

/* What is made at once: pixels of one image, since the classes of an image lie together. */
struct piece {
    float *losses;   /* (PIECE) */
    uint8_t *labels; /* (PIECE) */
    float *logits;   /* (C, PIECE) */
};

static enum bench_status fill_piece(bench_sets *sets, const bench_source *source, const struct piece *piece,
                                    uint64_t image, uint64_t begin, size_t count) {
    const uint64_t area = sets->of->height * sets->of->width;
    const uint64_t first = image * area + begin;
    bench_source_losses(source, first, count, piece->losses, piece->labels);
    bench_source_logits(source, first, count, piece->losses, piece->labels, piece->logits);
    enum bench_status status = write_to(sets, sets->labels[0], (size_t)first, count, piece->labels);
    for (uint64_t c = 0; c < sets->of->classes && status == BENCH_OK; ++c) {
        const uint64_t at = (image * sets->of->classes + c) * area + begin;
        status = write_to(sets, sets->logits[0], (size_t)at * sizeof(float), count * sizeof(float),
                          piece->logits + c * count);
    }
    return status;
}

static enum bench_status fill_logits(bench_sets *sets, const bench_source *source) {
    struct piece piece = {malloc(PIECE * sizeof(float)), malloc(PIECE),
                          malloc(PIECE * (size_t)sets->of->classes * sizeof(float))};
    enum bench_status status = BENCH_OK;
    if (piece.losses == NULL || piece.labels == NULL || piece.logits == NULL)
        status = bench_fail(BENCH_DEVICE_FAILED, "no memory for logits");
    const uint64_t area = sets->of->height * sets->of->width;
    for (uint64_t image = 0; image < sets->of->images; ++image)
        for (uint64_t begin = 0; begin < area && status == BENCH_OK; begin += PIECE)
            status =
                fill_piece(sets, source, &piece, image, begin, area - begin < PIECE ? (size_t)(area - begin) : PIECE);
    free(piece.losses);
    free(piece.labels);
    free(piece.logits);
    return status;
}

enum bench_status bench_sets_create(const bench_device *device, const bench_case *of, bench_sets *sets) {
    measure_sets(device, of, sets);
    const size_t labels_size = sets->plane_size / sizeof(float);
    enum bench_status status = allocate(sets, sets->losses, sets->loss_count, sets->plane_size);
    if (status == BENCH_OK)
        status = allocate(sets, sets->weights, sets->loss_count, sets->plane_size);
    if (status == BENCH_OK)
        status = allocate(sets, sets->result, BENCH_SOLVERS, sizeof(clmp_result));
    if (status == BENCH_OK)
        status = clear(sets, sets->weights, sets->loss_count, sets->plane_size);
    if (status != BENCH_OK || of->losses_only)
        return status;
    status = allocate(sets, sets->logits, sets->logit_count, sets->logits_size);
    if (status == BENCH_OK)
        status = allocate(sets, sets->gradients, sets->logit_count, sets->logits_size);
    if (status == BENCH_OK)
        status = allocate(sets, sets->labels, sets->logit_count, labels_size);
    if (status == BENCH_OK)
        status = clear(sets, sets->gradients, sets->logit_count, sets->logits_size);
    if (status != BENCH_OK)
        return status;
    bench_source *source = bench_source_create(of);
    status = source != NULL ? fill_logits(sets, source) : bench_fail(BENCH_DEVICE_FAILED, "no memory for a case");
    bench_source_destroy(source);
    if (status == BENCH_OK)
        status = spread(sets, sets->logits, sets->logit_count, sets->logits_size);
    if (status == BENCH_OK)
        status = spread(sets, sets->labels, sets->logit_count, labels_size);
    return status;
}

enum bench_status bench_sets_fill_losses(bench_sets *sets) {
    bench_source *source = bench_source_create(sets->of);
    float *losses = malloc(PIECE * sizeof *losses);
    uint8_t *labels = malloc(PIECE);
    enum bench_status status = BENCH_OK;
    if (source == NULL || losses == NULL || labels == NULL)
        status = bench_fail(BENCH_DEVICE_FAILED, "no memory for losses");
    const uint64_t pixels = bench_case_pixels(sets->of);
    for (uint64_t first = 0; first < pixels && status == BENCH_OK; first += PIECE) {
        const size_t count = pixels - first < PIECE ? (size_t)(pixels - first) : PIECE;
        bench_source_losses(source, first, count, losses, labels);
        for (size_t i = 0; i < count; ++i)
            if (labels[i] >= sets->of->classes)
                losses[i] = NAN;
        status = write_to(sets, sets->losses[0], (size_t)first * sizeof *losses, count * sizeof *losses, losses);
    }
    bench_source_destroy(source);
    free(losses);
    free(labels);
    if (status == BENCH_OK)
        status = spread(sets, sets->losses, sets->loss_count, sets->plane_size);
    return status;
}

void bench_sets_release(bench_sets *sets) {
    cl_mem *const arrays[] = {sets->logits, sets->gradients, sets->labels, sets->losses, sets->weights};
    for (size_t a = 0; a < sizeof arrays / sizeof arrays[0]; ++a)
        for (size_t i = 0; i < BENCH_MOST_SETS; ++i)
            if (arrays[a][i] != NULL)
                clReleaseMemObject(arrays[a][i]);
    for (size_t i = 0; i < BENCH_SOLVERS; ++i)
        if (sets->result[i] != NULL)
            clReleaseMemObject(sets->result[i]);
    *sets = (bench_sets){.device = NULL};
}

static enum bench_status read_from(const bench_device *device, cl_mem buffer, size_t at, size_t size, void *bytes) {
    const cl_int error = clEnqueueReadBuffer(device->queue, buffer, CL_TRUE, at, size, bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(device, "clEnqueueReadBuffer", error);
}

enum bench_status bench_sets_same(const bench_device *device, cl_mem a, cl_mem b, size_t size, bool *same) {
    unsigned char *bytes = malloc(2 * COMPARED);
    enum bench_status status = bytes != NULL ? BENCH_OK : bench_fail(BENCH_DEVICE_FAILED, "no memory to compare");
    *same = true;
    for (size_t at = 0; at < size && *same && status == BENCH_OK; at += COMPARED) {
        const size_t count = size - at < COMPARED ? size - at : COMPARED;
        status = read_from(device, a, at, count, bytes);
        if (status == BENCH_OK)
            status = read_from(device, b, at, count, bytes + COMPARED);
        *same = status == BENCH_OK && memcmp(bytes, bytes + COMPARED, count) == 0;
    }
    free(bytes);
    return status;
}
