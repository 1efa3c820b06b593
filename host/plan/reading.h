/* A way to read logits: of the labels' size, or smaller and interpolated.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_READING_H
#define CLMP_PLAN_READING_H

#include "plan/plan.h"

/* By what the stages find their side of it (host/stages/reading.c). */
enum clmp_reading_id { CLMP_READING_PLAIN, CLMP_READING_INTERPOLATED, CLMP_READING_COUNT };

/* What a plan asks of the way in which its logits are read. */
struct clmp_reading {
    enum clmp_reading_id id;
    bool leaves_sums;     /* its loss can leave the maxima and sums of pixels to its gradient */
    const char *no_parts; /* what steps in parts are not for; NULL: they are for this */
    /* Refuses params that this way has not, of those that are right otherwise.  Errors: INVALID_ARGUMENT. */
    clmp_status (*check)(const clmp_plan_params *params, const struct clmp_log *log);
    /* Makes its part of the plan.  `class_weights`: clmp_criterion_weights(), or NULL. */
    clmp_status (*create)(struct clmp_plan *plan, const float *class_weights);
    /* Makes the kernels of the stages loss and gradient. */
    clmp_status (*build)(struct clmp_plan *plan);
    /* Makes CLMP_KERNEL_RANGE: its kernel that stores the gradient, with CLMP_RANGE (kernels/range.clh). */
    clmp_status (*build_range)(struct clmp_plan *plan);
    /* Lays out its part of the workspace.  False where the sizes overflow. */
    bool (*lay_out)(struct clmp_plan *plan);
};

extern const struct clmp_reading clmp_reading_plain;        /* plan/plain.c */
extern const struct clmp_reading clmp_reading_interpolated; /* plan/upsample.c */

#endif
