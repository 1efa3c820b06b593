/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sized.h"

#include <string.h>

/* All of them begin with it. */
static_assert(offsetof(clmp_context_params, struct_size) == 0, "clmp_context_params");
static_assert(offsetof(clmp_plan_params, struct_size) == 0, "clmp_plan_params");
static_assert(offsetof(clmp_buffers, struct_size) == 0, "clmp_buffers");
static_assert(offsetof(clmp_ranks, struct_size) == 0, "clmp_ranks");
static_assert(offsetof(clmp_class_weights_params, struct_size) == 0, "clmp_class_weights_params");

size_t clmp_sized_size(const void *from) {
    size_t size = 0;
    memcpy(&size, from, sizeof size);
    return size;
}

void clmp_sized_put(void *to, size_t to_size, const void *from, size_t from_size) {
    if (to == NULL)
        return;
    const size_t both = to_size < from_size ? to_size : from_size;
    memcpy(to, from, both);
    memset((unsigned char *)to + both, 0, to_size - both);
}

clmp_status clmp_sized_take(const void *from, size_t first, void *params, const char *name,
                            const struct clmp_log *log) {
    const size_t size = clmp_sized_size(from), known = clmp_sized_size(params);
    if (!clmp_sized_fits(size, first))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT,
                         "%s: struct_size is %zu, at %s %zu was expected: was clmp_%s_init() called?", name, size,
                         size < first ? "least" : "most", size < first ? first : CLMP_SIZED_MOST, name);
    for (size_t i = known; i < size; ++i)
        if (((const unsigned char *)from)[i] != 0)
            return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s: a parameter is set that this library (%s) does not know",
                             name, clmp_version());
    memcpy(params, from, size < known ? size : known);
    memcpy(params, &known, sizeof known);
    return CLMP_OK;
}
