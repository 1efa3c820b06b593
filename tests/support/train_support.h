/*
 * An engine for tests of the trainer, and numbers on its device.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRAIN_SUPPORT_H
#define TRAIN_SUPPORT_H

#include "chance.h"
#include "engine.h"
#include "support.h"

#include <stdlib.h>

static struct engine engine;
static struct failure failure;

#define ck_train(call) ck_assert_msg(call, "%s: %s", #call, failure.line != NULL ? failure.line : "no line")

static inline void open_engine(void) {
    const char *device = getenv("CLMP_TEST_DEVICE");
    ck_train(engine_open(&engine, device, &failure));
}

static inline void close_engine(void) {
    engine_close(&engine);
    failure_clear(&failure);
}

static inline float *normals(struct chance *chance, size_t count) {
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; ++i)
        values[i] = (float)chance_normal(chance);
    return values;
}

static inline cl_mem floats_of(const float *values, size_t count) {
    cl_mem buffer = NULL;
    ck_train(engine_floats(&engine, "floats", values, count, &buffer, &failure));
    return buffer;
}

static inline float *read_floats(cl_mem buffer, size_t count) {
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    ck_train(engine_read(&engine, buffer, 0, count * sizeof *values, values, &failure));
    return values;
}

static inline double dot(const float *a, const float *b, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

#endif /* TRAIN_SUPPORT_H */
