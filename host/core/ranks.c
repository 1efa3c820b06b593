/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ranks.h"

#include <inttypes.h>

void clmp_ranks_init_sized(clmp_ranks *ranks, size_t size) {
    const clmp_ranks defaults = {.struct_size = size};
    clmp_sized_put(ranks, size, &defaults, sizeof defaults);
}

clmp_status clmp_ranks_take(const clmp_ranks *ranks, clmp_ranks *own, const struct clmp_log *log) {
    clmp_ranks_init(own);
    if (ranks == NULL)
        return CLMP_OK;
    const clmp_status status = clmp_sized_take(ranks, CLMP_FIRST_RANKS, own, "ranks", log);
    if (status != CLMP_OK)
        return status;
    if (own->allreduce == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "ranks.allreduce is NULL");
    if (own->size == 0 || own->size > CLMP_MOST_RANKS)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "ranks.size is %" PRIu32 ", expected 1 to %" PRIu32, own->size,
                         CLMP_MOST_RANKS);
    if (own->rank >= own->size)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "ranks.rank is %" PRIu32 ", expected one below size, %" PRIu32,
                         own->rank, own->size);
    return CLMP_OK;
}
