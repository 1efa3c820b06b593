/*
 * The buffers of a case.  Each tensor is there several times over, and calls take turns, so that no cache serves one
 * call with what the last one left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_SETS_H
#define CLMP_BENCH_SETS_H

#include "bench_cases.h"
#include "bench_device.h"

enum { BENCH_MOST_SETS = 64 };

typedef struct bench_sets {
    const bench_device *device;
    const bench_case *of;
    size_t logit_count, loss_count;    /* sets; at least 2, but no logits where the case has losses only */
    size_t logits_size, plane_size;    /* bytes of one logits tensor, of one plane of losses */
    cl_mem logits[BENCH_MOST_SETS];    /* float32 (N, C, H, W) */
    cl_mem gradients[BENCH_MOST_SETS]; /* likewise */
    cl_mem labels[BENCH_MOST_SETS];    /* uint8 (N, H, W) */
    cl_mem losses[BENCH_MOST_SETS];    /* float32 (N, H, W) */
    cl_mem weights[BENCH_MOST_SETS];   /* likewise */
    cl_mem result[BENCH_SOLVERS];      /* one record each */
} bench_sets;

/* Bytes of all buffers of a case on a device. */
cl_ulong bench_sets_size(const bench_device *device, const bench_case *of);

/* Allocates, and fills logits and labels.  To be released even if it fails. */
enum bench_status bench_sets_create(const bench_device *device, const bench_case *of, bench_sets *sets);
/* Fills the losses: what the logits give, and NaN where a pixel is ignored.  With interpolation, losses[0] must have
 * what the library gives. */
enum bench_status bench_sets_fill_losses(bench_sets *sets);
void bench_sets_release(bench_sets *sets);

/* Whether the first `size` bytes of two buffers are the same. */
enum bench_status bench_sets_same(const bench_device *device, cl_mem a, cl_mem b, size_t size, bool *same);

#endif
