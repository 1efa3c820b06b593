/* libclmp on a device: loss, weights and gradient of the logits.  Functions that can fail print a line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_DEMO_POOL_H
#define CLMP_DEMO_POOL_H

#include <clmp/clmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct demo_pool demo_pool;

/* Opens the device whose name contains `device` (NULL: a GPU if there is one).  Free with demo_pool_close(). */
demo_pool *demo_pool_open(const char *device);
void demo_pool_close(demo_pool *pool);
const char *demo_pool_device(const demo_pool *pool);

/* How many images the device takes in one batch when their logits may fill `bytes` in all; at least 1. */
size_t demo_pool_capacity(const demo_pool *pool, size_t image_bytes, size_t bytes);

/* Makes the plan and the buffers. */
bool demo_pool_prepare(demo_pool *pool, const clmp_plan_params *params);

/* The logits' memory, to be filled before demo_pool_run(). */
float *demo_pool_map_logits(demo_pool *pool);

typedef struct demo_pooled {
    clmp_result result;
    float *losses, *weights; /* (N, H, W), from the caller */
    double gradient_sum;     /* sum of |gradient| */
    double seconds;          /* from the first enqueue to the last result */
} demo_pooled;

/* Unmaps the logits, computes, and reads back. `labels` is (N, H, W). */
bool demo_pool_run(demo_pool *pool, const uint8_t *labels, demo_pooled *pooled);

#endif
