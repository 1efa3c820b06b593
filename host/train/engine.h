/*
 * The device's side of training: its kernels, products of matrices, and buffers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_ENGINE_H
#define CLMP_TRAIN_ENGINE_H

#include "session.h"

enum train_kernel {
    TRAIN_IM2COL,
    TRAIN_COL2IM,
    TRAIN_PLANES,
    TRAIN_TILES,
    TRAIN_CONVOLVE,
    TRAIN_WEIGHT_GRADIENT,
    TRAIN_NORM_SUMS,
    TRAIN_NORM_STATISTICS,
    TRAIN_NORM_FORWARD,
    TRAIN_NORM_FORWARD_PLANES,
    TRAIN_NORM_RUNNING,
    TRAIN_NORM_PARAMETERS,
    TRAIN_NORM_BACKWARD,
    TRAIN_NORM_BACKWARD_PLANES,
    TRAIN_FEATURES,
    TRAIN_FEATURES_FINE,
    TRAIN_FEATURES_COARSE,
    TRAIN_IMAGE,
    TRAIN_PREDICT,
    TRAIN_ADAM,
    TRAIN_KERNELS
};

/* Everything runs on the session's queue, which is in-order. */
struct engine {
    struct session session;
    cl_kernel kernels[TRAIN_KERNELS];
    size_t group; /* work-items of a work-group that adds up */
    bool direct;  /* convolutions without columns: of CPUs */
};

/* Opens a device and builds the kernels; engine_close() after a failure, too. */
bool engine_open(struct engine *engine, const char *device, struct failure *failure);
void engine_close(struct engine *engine);

/* An argument of a kernel. */
struct argument {
    size_t size;
    union {
        cl_mem mem;
        cl_int i;
        cl_ulong u;
        cl_float f;
    } value;
};
static inline struct argument of_mem(cl_mem mem) {
    return (struct argument){sizeof mem, {.mem = mem}};
}
static inline struct argument of_int(size_t value) {
    return (struct argument){sizeof(cl_int), {.i = (cl_int)value}};
}
static inline struct argument of_ulong(size_t value) {
    return (struct argument){sizeof(cl_ulong), {.u = value}};
}
static inline struct argument of_float(float value) {
    return (struct argument){sizeof(cl_float), {.f = value}};
}

/* Enqueues x times y work-items, in work-groups of `local` times 1; 0: as the runtime likes. */
bool engine_launch(struct engine *engine, enum train_kernel kernel, const struct argument *arguments, size_t count,
                   size_t x, size_t y, size_t local, struct failure *failure);
#define ENGINE_LAUNCH(engine, kernel, x, y, local, failure, ...)                                                       \
    engine_launch(engine, kernel, (const struct argument[]){__VA_ARGS__},                                              \
                  sizeof((const struct argument[]){__VA_ARGS__}) / sizeof(struct argument), x, y, local, failure)

/* A matrix by rows, without gaps: `columns` numbers a row as it is stored, from number `at` on. */
struct matrix {
    cl_mem mem;
    size_t at, columns;
    bool transposed; /* before it is multiplied */
};

/* c = a b + beta c; a is m x k and b k x n, as multiplied. */
bool engine_multiply(struct engine *engine, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, float beta,
                     struct matrix c, struct failure *failure);

/* A buffer of floats; of `values` unless that is NULL. */
bool engine_floats(struct engine *engine, const char *what, const float *values, size_t count, cl_mem *buffer,
                   struct failure *failure);

/* Reads and writes, after what is enqueued. */
bool engine_read(struct engine *engine, cl_mem buffer, size_t at, size_t size, void *bytes, struct failure *failure);
bool engine_write(struct engine *engine, cl_mem buffer, size_t at, size_t size, const void *bytes,
                  struct failure *failure);
bool engine_zero(struct engine *engine, cl_mem buffer, size_t size, struct failure *failure);
bool engine_finish(struct engine *engine, struct failure *failure);

void engine_release(cl_mem *buffers, size_t count);

#endif /* CLMP_TRAIN_ENGINE_H */
