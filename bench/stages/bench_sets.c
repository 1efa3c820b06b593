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
    const bench_case logits = bench_case_interpolates(of) ? bench_case_of_logits(of) : *of;
    sets->logits_size = of->losses_only ? 0 : (size_t)(bench_case_pixels(&logits) * of->classes) * sizeof(float);
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

static enum bench_status read_from(const bench_device *device, cl_mem buffer, size_t at, size_t size, void *bytes) {
    const cl_int error = clEnqueueReadBuffer(device->queue, buffer, CL_TRUE, at, size, bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(device, "clEnqueueReadBuffer", error);
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

/* `at` is the case at the size of its logits; its labels go to `labels` too, unless that is NULL. */
static enum bench_status fill_piece(bench_sets *sets, const bench_case *at, const bench_source *source,
                                    const struct piece *piece, uint64_t first, size_t count, uint8_t *labels) {
    const uint64_t area = at->height * at->width, image = first / area;
    bench_source_losses(source, first, count, piece->losses, piece->labels);
    bench_source_logits(source, first, count, piece->losses, piece->labels, piece->logits);
    enum bench_status status = BENCH_OK;
    if (labels != NULL)
        memcpy(labels + first, piece->labels, count);
    else
        status = write_to(sets, sets->labels[0], (size_t)first, count, piece->labels);
    for (uint64_t c = 0; c < at->classes && status == BENCH_OK; ++c) {
        const uint64_t place = (image * at->classes + c) * area + first % area;
        status = write_to(sets, sets->logits[0], (size_t)place * sizeof(float), count * sizeof(float),
                          piece->logits + c * count);
    }
    return status;
}

static enum bench_status fill_logits(bench_sets *sets, const bench_case *at, uint8_t *labels) {
    struct piece piece = {malloc(PIECE * sizeof(float)), malloc(PIECE),
                          malloc(PIECE * (size_t)at->classes * sizeof(float))};
    bench_source *source = bench_source_create(at);
    enum bench_status status = BENCH_OK;
    if (piece.losses == NULL || piece.labels == NULL || piece.logits == NULL || source == NULL)
        status = bench_fail(BENCH_DEVICE_FAILED, "no memory for logits");
    const uint64_t area = at->height * at->width;
    for (uint64_t image = 0; image < at->images; ++image)
        for (uint64_t begin = 0; begin < area && status == BENCH_OK; begin += PIECE)
            status = fill_piece(sets, at, source, &piece, image * area + begin,
                                area - begin < PIECE ? (size_t)(area - begin) : PIECE, labels);
    bench_source_destroy(source);
    free(piece.losses);
    free(piece.labels);
    free(piece.logits);
    return status;
}

/* Labels of the full size, from those of the logits' size: each pixel's is that of the logit that it lies on. */
static enum bench_status enlarge_labels(bench_sets *sets, const bench_case *at, const uint8_t *labels) {
    const bench_case *of = sets->of;
    uint8_t *row = malloc((size_t)of->width);
    enum bench_status status = row != NULL ? BENCH_OK : bench_fail(BENCH_DEVICE_FAILED, "no memory for labels");
    for (uint64_t y = 0; y < of->images * of->height && status == BENCH_OK; ++y) {
        const uint64_t from = y / of->height * at->height + y % of->height * at->height / of->height;
        for (uint64_t x = 0; x < of->width; ++x)
            row[x] = labels[from * at->width + x * at->width / of->width];
        status = write_to(sets, sets->labels[0], (size_t)(y * of->width), (size_t)of->width, row);
    }
    free(row);
    return status;
}

static enum bench_status fill_interpolated(bench_sets *sets) {
    const bench_case at = bench_case_of_logits(sets->of);
    uint8_t *labels = malloc((size_t)bench_case_pixels(&at));
    enum bench_status status = labels != NULL ? BENCH_OK : bench_fail(BENCH_DEVICE_FAILED, "no memory for labels");
    if (status == BENCH_OK)
        status = fill_logits(sets, &at, labels);
    if (status == BENCH_OK)
        status = enlarge_labels(sets, &at, labels);
    free(labels);
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
    status = bench_case_interpolates(of) ? fill_interpolated(sets) : fill_logits(sets, of, NULL);
    if (status == BENCH_OK)
        status = spread(sets, sets->logits, sets->logit_count, sets->logits_size);
    if (status == BENCH_OK)
        status = spread(sets, sets->labels, sets->logit_count, labels_size);
    return status;
}

/* No formula tells the losses of interpolated logits: the library has left them there. */
static enum bench_status mark_ignored(bench_sets *sets) {
    const size_t pixels = sets->plane_size / sizeof(float);
    float *losses = malloc(sets->plane_size);
    uint8_t *labels = malloc(pixels);
    enum bench_status status = BENCH_OK;
    if (losses == NULL || labels == NULL)
        status = bench_fail(BENCH_DEVICE_FAILED, "no memory for losses");
    if (status == BENCH_OK)
        status = read_from(sets->device, sets->losses[0], 0, sets->plane_size, losses);
    if (status == BENCH_OK)
        status = read_from(sets->device, sets->labels[0], 0, pixels, labels);
    for (size_t i = 0; i < pixels && status == BENCH_OK; ++i)
        if (labels[i] >= sets->of->classes)
            losses[i] = NAN;
    if (status == BENCH_OK)
        status = write_to(sets, sets->losses[0], 0, sets->plane_size, losses);
    free(losses);
    free(labels);
    return status == BENCH_OK ? spread(sets, sets->losses, sets->loss_count, sets->plane_size) : status;
}

enum bench_status bench_sets_fill_losses(bench_sets *sets) {
    if (bench_case_interpolates(sets->of))
        return mark_ignored(sets);
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
