/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/wanted.h"

#include "core/program.h"

clmp_status clmp_wanted_make(struct clmp_plan *plan, const struct clmp_wanted *wanted, size_t count,
                             const char *macros) {
    clmp_status status = CLMP_OK;
    for (size_t i = 0; i < count && status == CLMP_OK; ++i)
        status =
            clmp_kernel_create(plan->context, wanted[i].source, macros, wanted[i].name, &plan->kernels[wanted[i].id]);
    return status;
}
