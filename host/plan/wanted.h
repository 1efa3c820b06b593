/* Kernels of a plan, made by lists of them.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_WANTED_H
#define CLMP_PLAN_WANTED_H

#include "plan/plan.h"

struct clmp_wanted {
    enum clmp_kernel_id id;
    const char *source, *name; /* kernels/<source>.cl */
};

/* Makes `count` kernels, all with the same macros.  Errors: those of clmp_kernel_create(). */
clmp_status clmp_wanted_make(struct clmp_plan *plan, const struct clmp_wanted *wanted, size_t count,
                             const char *macros);

/*
 * Makes a kernel with macros of its own and another; where the macros are the same, of `joined`, the program of both
 * sources.  Errors: those of clmp_kernel_create().
 */
clmp_status clmp_wanted_pair(struct clmp_plan *plan, const struct clmp_wanted *one, const char *macros,
                             const struct clmp_wanted *other, const char *other_macros, const char *joined);

#endif
