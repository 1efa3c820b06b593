/* What interpolation needs of a plan.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_UPSAMPLE_H
#define CLMP_PLAN_UPSAMPLE_H

#include "plan/plan.h"

/* With interpolation: its tables and how its kernels are cut up, its kernels, and its part
 * of the workspace. */
clmp_status clmp_upsample_create(struct clmp_plan *plan, const float *class_weights);
clmp_status clmp_upsample_kernels(struct clmp_plan *plan);
/* Work-items of a work-group of its loss and gradient kernels: those that share a tile of columns are in one group. */
uint32_t clmp_upsample_group(const struct clmp_plan *plan);
uint32_t clmp_upsample_least_group(const struct clmp_plan *plan);
bool clmp_upsample_lay_out(struct clmp_plan *plan);
/* The macros of kernels that walk tiles, and of those that walk steep ones, each with a work-item of its own; room for
 * 256 characters. */
void clmp_upsample_macros(const struct clmp_plan *plan, char *text, size_t size);
void clmp_steep_macros(const struct clmp_plan *plan, char *text, size_t size);

#endif
