/* Where records lie in a plan's workspace.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_WORKSPACE_H
#define CLMP_PLAN_WORKSPACE_H

#include "plan/plan.h"

/* Lays out the workspace.  False where the sizes overflow. */
bool clmp_plan_lay_out(struct clmp_plan *plan);

#endif
