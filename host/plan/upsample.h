/* What interpolation needs of a plan.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_UPSAMPLE_H
#define CLMP_PLAN_UPSAMPLE_H

#include "plan/plan.h"

/* A run of rows of logits, and the rows of tiles that they depend on: the gradient is made band by band, so that the
 * tiles' sums of one are in memory at a time. */
struct clmp_band {
    uint64_t first_logit, logits, first_row, rows;
};
enum { CLMP_MOST_BANDS = 4 };

/* A plan's part: tables, and how its kernels are cut up. */
struct clmp_upsample {
    cl_mem tables; /* kernels/taps.clh */
    uint64_t row_tiles, column_tiles;
    uint32_t slot, most_rows;
    uint32_t bands;
    uint64_t band_rows; /* of the largest band */
    struct clmp_band band[CLMP_MOST_BANDS];
    bool exact, on_grid, contiguous;
    size_t high, low, spans, tile_sums; /* where they lie in the workspace */
};

/* NULL: there is none.  `ours`: the process has its OpenCL objects. */
void clmp_upsample_destroy(struct clmp_upsample *upsample, bool ours);
/* Work-items of a work-group of its loss and gradient kernels: those that share a tile of columns are in one group. */
uint32_t clmp_upsample_group(const struct clmp_plan *plan);
uint32_t clmp_upsample_least_group(const struct clmp_plan *plan);
/* The macros of kernels that walk tiles, and of those that walk steep ones, each with a work-item of its own; room for
 * 256 characters. */
void clmp_upsample_macros(const struct clmp_plan *plan, char *text, size_t size);
void clmp_steep_macros(const struct clmp_plan *plan, char *text, size_t size);

#endif
