/* What suits which device.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TUNING_H
#define CLMP_TUNING_H

#include "plan/plan.h"

/* Bytes of local memory that a work-group's own bins need. */
#define CLMP_LOCAL_BINS_SIZE ((cl_ulong)CLMP_BINS * 16)

/* Adds to the plan's params what CLMP_TUNING in the environment says of values that they leave open, and checks all. */
clmp_status clmp_tuning_check(struct clmp_plan *plan);

/* Sets plan->tuning: the params' values, and those of the table for what they leave open. */
void clmp_tuning_choose(struct clmp_plan *plan);

#endif
