/* What a plan may be.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_CHECK_H
#define CLMP_PLAN_CHECK_H

#include "plan/plan.h"

#define CLMP_MAX_PIXELS ((uint64_t)1 << 36) /* sums of 24-bit mantissas stay below 2^60 */

/* "params" errors as clmp_plan_create() reports them; fills what follows from the params alone. */
clmp_status clmp_plan_check(struct clmp_plan *plan);

#endif
