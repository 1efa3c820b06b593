/* The kernels that a plan needs.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_KERNELS_H
#define CLMP_PLAN_KERNELS_H

#include "plan/plan.h"

/* Makes the kernels; changes what the library chose of the tuning where the device has no room for their work-groups.
 */
clmp_status clmp_plan_build_kernels(struct clmp_plan *plan);
void clmp_plan_release_kernels(struct clmp_plan *plan);

/* Whether a kernel runs in work-groups of `group`, and if not, `why`; fails where the runtime does not answer. */
#define CLMP_WHY 128
clmp_status clmp_plan_kernel_fits(const struct clmp_plan *plan, enum clmp_kernel_id id, uint32_t group, bool *fits,
                                  char why[CLMP_WHY]);

/* Makes the kernel that stores a gradient and counts what overflows and underflows, unless the plan has it. */
clmp_status clmp_plan_build_range(struct clmp_plan *plan);

/* The macros of the kernels that count; `text` has room for 256 characters. */
void clmp_plan_count_macros(const struct clmp_plan *plan, uint32_t group, char *text, size_t size);

#endif
