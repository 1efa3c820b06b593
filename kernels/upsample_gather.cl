/*
 * upsample_gather - the tiles' sums, added up for each logit of lower resolution
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Tile by tile, in rows; of a tile what it has for the logits before and after its columns in the row above, then in
 * the row below, as far as they are this logit (borders have the same one on both sides).  Kahan's sum.
 *
 *   taps      clmp_taps and what it points to
 *   work      workspace, with the sums from byte sums_at on (upsample_gradient.cl), and (pools) clmp_pool from pools_at
 *             on
 *   images_per_pool           images that share a record of pools
 *   scale                     upstream gradient
 *   first_row, band_rows      the tiles' rows that the sums are of
 *   first_logit, band_logits  the rows of logits that this launch is for
 *   gradient  out, from gradient_at on, and its strides: logits.clh
 *   range_counts, range_at    as in gradient.cl
 *
 * Grid: (one work-item, and one for each vector of a row's logits, rounded up to work-groups, N x C x band_logits).
 */
#include "upsample.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

#include "range.clh"

/* The logits (i, j) of a plane's sums, for the tiles that touch row i. */
CLMP_FN float clmp_gather_one(global const uchar *taps, global const float *sums, ulong first_row, int i, int j) {
    global const clmp_axis *rows = &CLMP_IN(const clmp_taps, taps, 0)->rows;
    global const clmp_axis *columns = &CLMP_IN(const clmp_taps, taps, 0)->columns;
    global const clmp_touch *up = CLMP_IN(const clmp_touch, taps, rows->touches_at) + i;
    global const clmp_touch *side = CLMP_IN(const clmp_touch, taps, columns->touches_at) + j;
    float sum = 0.0f, error = 0.0f;
    for (int t = up->first; t < up->first + up->count; ++t)
        for (int u = side->first; u < side->first + side->count; ++u)
            for (uint q = 0; q < 4; ++q) {
                global const clmp_tile *row = CLMP_IN(const clmp_tile, taps, rows->tiles_at) + t;
                global const clmp_tile *column = CLMP_IN(const clmp_tile, taps, columns->tiles_at) + u;
                if ((q < 2 ? row->before : row->after) != i || (q % 2 == 0 ? column->before : column->after) != j)
                    continue;
                /* clmp_sum_add(), of one lane */
                const float term = sums[((t - first_row) * 4 + q) * columns->tiles + u] - error;
                const float next = sum + term;
                error = (next - sum) - term;
                sum = next;
            }
    return sum;
}

/* `lanes` logits of row i from column `first` on, each between two tiles of columns. */
CLMP_FN FLOATV clmp_gather_vector(global const uchar *taps, global const float *sums, ulong first_row, int i,
                                  ulong first, ulong lanes) {
    global const clmp_axis *rows = &CLMP_IN(const clmp_taps, taps, 0)->rows;
    global const clmp_axis *columns = &CLMP_IN(const clmp_taps, taps, 0)->columns;
    global const clmp_touch *up = CLMP_IN(const clmp_touch, taps, rows->touches_at) + i;
    const ulong tiles = columns->tiles;
    FLOATV sum = (FLOATV)0.0f, error = (FLOATV)0.0f;
    for (int t = up->first; t < up->first + up->count; ++t) {
        global const clmp_tile *row = CLMP_IN(const clmp_tile, taps, rows->tiles_at) + t;
        global const float *right = sums + (t - first_row) * 4 * tiles + first + columns->offset, *left = right - 1;
        if (row->before == i)
            clmp_sum_add(&sum, &error, clmp_load(left + tiles, lanes, 0.0f));
        if (row->after == i)
            clmp_sum_add(&sum, &error, clmp_load(left + 3 * tiles, lanes, 0.0f));
        if (row->before == i)
            clmp_sum_add(&sum, &error, clmp_load(right, lanes, 0.0f));
        if (row->after == i)
            clmp_sum_add(&sum, &error, clmp_load(right + 2 * tiles, lanes, 0.0f));
    }
    return sum;
}

/* A finished gradient. */
CLMP_FN FLOATV clmp_gather_scale(FLOATV sum, float down, float scale, float class_up) {
    /* one after the other: normalised by class weights, tau may be as small as they are large */
    sum = clmp_limit(clmp_limit(sum * (FLOATV)(1.0f / CLMP_FACTOR_SCALE)) * (FLOATV)down);
    const FLOATV g = clmp_limit(sum * clmp_limit((FLOATV)scale));
    return clmp_limit(g * (FLOATV)class_up);
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_gather(global const uchar *taps, global const uchar *work, ulong sums_at, ulong pools_at,
                     ulong images_per_pool, ulong first_row, ulong band_rows, ulong first_logit, ulong band_logits,
                     float scale, global clmp_logit *gradient, ulong gradient_at, ulong image_stride,
                     ulong class_stride, ulong row_stride CLMP_RANGE_ARGUMENTS) {
    global const clmp_taps *head = CLMP_IN(const clmp_taps, taps, 0);
    const ulong width = head->columns.logits, item = get_global_id(0);
    const ulong plane = get_global_id(1) / band_logits;
    const int i = (int)(first_logit + get_global_id(1) % band_logits);
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
    const float down = as_float(as_uint(pools[plane / CLMP_CLASSES / images_per_pool].tau) & 0x7f800000u);
    global const float *sums = CLMP_IN(const float, work, sums_at) + plane * band_rows * 4 * head->columns.tiles;
    global clmp_logit *to = gradient + gradient_at + plane / CLMP_CLASSES * image_stride +
                            plane % CLMP_CLASSES * class_stride + (ulong)i * row_stride;

    scale *= pools->image_share;
    CLMP_RANGE_BEGIN
    if (head->columns.regular && item > 0) {
        const ulong first = 1 + (item - 1) * CLMP_VECTOR;
        if (first + 1 < width) {
            const ulong lanes = min(width - 1 - first, (ulong)CLMP_VECTOR);
            const FLOATV sum = clmp_gather_vector(taps, sums, first_row, i, first, lanes);
            const FLOATV g = clmp_gather_scale(sum, down, scale, head->class_up);
            CLMP_RANGE_SEE(g, lanes);
            clmp_store_gradient(g, to + first * CLMP_PIXEL_STRIDE, lanes, 0);
        }
    } else {
        const ulong first = head->columns.regular ? 0 : item * CLMP_VECTOR;
        const ulong end = head->columns.regular ? width : first + CLMP_VECTOR;
        for (ulong j = first; j < min(end, width); j += head->columns.regular ? width - 1 : 1) {
            const FLOATV sum = (FLOATV)clmp_gather_one(taps, sums, first_row, i, (int)j);
            const FLOATV g = clmp_gather_scale(sum, down, scale, head->class_up);
            CLMP_RANGE_SEE(g, 1);
            clmp_store_gradient(g, to + j * CLMP_PIXEL_STRIDE, 1, 0);
        }
    }
    CLMP_RANGE_END
}
