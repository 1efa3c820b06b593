/* Regions of a plan's workspace.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_REGION_H
#define CLMP_PLAN_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A region of the workspace: `count` records of `size` bytes, aligned for every type.  False where the sizes overflow.
 */
static inline bool clmp_plan_take(size_t *end, uint64_t count, size_t size, size_t *at) {
    if (count > (SIZE_MAX - 256 - *end) / size)
        return false;
    *at = *end;
    *end = (*end + (size_t)count * size + 127) / 128 * 128;
    return true;
}

#endif
