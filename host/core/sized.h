/* Structs of callers that were compiled with another version of the header.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_SIZED_H
#define CLMP_SIZED_H

#include "core/log.h"

#include <assert.h>

/* Up to its field `last`, and the padding behind that. */
#define CLMP_SIZED_UP_TO(type, last)                                                                                   \
    ((offsetof(type, last) + sizeof(((type *)0)->last) + _Alignof(type) - 1) / _Alignof(type) * _Alignof(type))

/*
 * Bytes of the structs in the first ABI; no caller has less.  These never change: a struct grows by fields behind its
 * last one, past all padding (a copy of a struct need not keep that at 0), whose default is 0.
 */
#define CLMP_FIRST_CONTEXT_PARAMS CLMP_SIZED_UP_TO(clmp_context_params, cache_dir)
#define CLMP_FIRST_PLAN_PARAMS CLMP_SIZED_UP_TO(clmp_plan_params, logits_row_pitch)
#define CLMP_FIRST_BUFFERS CLMP_SIZED_UP_TO(clmp_buffers, in_place)
#define CLMP_FIRST_PART CLMP_SIZED_UP_TO(clmp_part, pixels)
#define CLMP_FIRST_CLASS_WEIGHTS_PARAMS CLMP_SIZED_UP_TO(clmp_class_weights_params, absent)
#define CLMP_FIRST_DEVICE_INFO CLMP_SIZED_UP_TO(clmp_device_info, supported)
#define CLMP_FIRST_RANKS CLMP_SIZED_UP_TO(clmp_ranks, size)
#define CLMP_FIRST_METRICS CLMP_SIZED_UP_TO(clmp_metrics, mean_iou)
#if UINTPTR_MAX == UINT64_MAX
static_assert(CLMP_FIRST_CONTEXT_PARAMS == 32, "the first ABI's clmp_context_params");
static_assert(CLMP_FIRST_PLAN_PARAMS == 272, "the first ABI's clmp_plan_params");
static_assert(CLMP_FIRST_BUFFERS == 168, "the first ABI's clmp_buffers");
static_assert(CLMP_FIRST_PART == 48, "the first ABI's clmp_part");
static_assert(CLMP_FIRST_CLASS_WEIGHTS_PARAMS == 40, "the first ABI's clmp_class_weights_params");
static_assert(CLMP_FIRST_DEVICE_INFO == 568, "the first ABI's clmp_device_info");
static_assert(CLMP_FIRST_RANKS == 32, "the first clmp_ranks");
static_assert(CLMP_FIRST_METRICS == 56, "the first ABI's clmp_metrics");
#endif
/* These never grow: they lie within other structs, in arrays, or on the device. */
static_assert(sizeof(clmp_tuning) == 64, "clmp_tuning");
static_assert(sizeof(clmp_buffer) == sizeof(cl_mem) + sizeof(size_t), "clmp_buffer");
static_assert(sizeof(clmp_result) == 64, "clmp_result");
static_assert(sizeof(clmp_gradient_range) == 16, "clmp_gradient_range");

/* No struct will ever have more bytes: what says that it has was not initialised. */
#define CLMP_SIZED_MOST ((size_t)4096)

/* Whether a caller's struct may have `size` bytes. */
static inline bool clmp_sized_fits(size_t size, size_t first) {
    return size >= first && size <= CLMP_SIZED_MOST;
}

/* Writes `to`, a caller's struct of `to_size` bytes: what it has room for of `from`, then 0.  NULL is left alone. */
void clmp_sized_put(void *to, size_t to_size, const void *from, size_t from_size);

/*
 * Reads a caller's struct into `params`, the library's own: before, that holds the defaults, and all structs begin with
 * their size.  Fields that the caller's lacks keep the default; a caller's field that the library does not know must be
 * 0.  `name` as in clmp_<name>_init().
 */
clmp_status clmp_sized_take(const void *from, size_t first, void *params, const char *name, const struct clmp_log *log);

/* The size that a caller's struct says it has. */
size_t clmp_sized_size(const void *from);

#endif
