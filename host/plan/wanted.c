/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/wanted.h"

#include "core/program.h"

#include <string.h>

clmp_status clmp_wanted_make(struct clmp_plan *plan, const struct clmp_wanted *wanted, size_t count,
                             const char *macros) {
    clmp_status status = CLMP_OK;
    for (size_t i = 0; i < count && status == CLMP_OK; ++i)
        status =
            clmp_kernel_create(plan->context, wanted[i].source, macros, wanted[i].name, &plan->kernels[wanted[i].id]);
    return status;
}

clmp_status clmp_wanted_pair(struct clmp_plan *plan, const struct clmp_wanted *one, const char *macros,
                             const struct clmp_wanted *other, const char *other_macros, const char *joined) {
    const bool same = strcmp(macros, other_macros) == 0;
    struct clmp_wanted first = *one, second = *other;
    if (same)
        first.source = second.source = joined;
    const clmp_status status = clmp_wanted_make(plan, &first, 1, macros);
    return status == CLMP_OK ? clmp_wanted_make(plan, &second, 1, other_macros) : status;
}
