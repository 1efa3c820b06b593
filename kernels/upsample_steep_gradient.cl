/*
 * upsample_steep_gradient - of steep tiles, in place of what upsample_gradient.cl wrote for them
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The four sums of each class, in the tile's own order: down each column of pixels, then over the columns from left to
 * right.
 *
 *   as in upsample_gradient.cl, and
 *   spans_at  byte of the workspace with float32 (N, rows, pixels of logits): the spans of upsample_split.cl
 *
 * Grid: (tiles of columns rounded up to work-groups, N x band_rows), with CLMP_VECTOR 1.
 */
#include "upsample_steep.clh"

#include "upsample_factor.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/* What a column's pixel comes to. */
typedef struct clmp_steep_pixel {
    clmp_top top;
    float factor, others;
    int label;
} clmp_steep_pixel;

/* `put` where it is wanted, else `kept`. */
CLMP_FN clmp_steep_pixel clmp_pixel_or(const clmp_steep_pixel *kept, const clmp_steep_pixel *put, int wanted) {
    clmp_steep_pixel pixel;
    pixel.top.class_index = wanted ? put->top.class_index : kept->top.class_index;
    pixel.top.least = wanted ? put->top.least : kept->top.least;
    pixel.factor = wanted ? put->factor : kept->factor;
    pixel.others = wanted ? put->others : kept->others;
    pixel.label = wanted ? put->label : kept->label;
    return pixel;
}

/* column[i] = *pixel. */
CLMP_FN void clmp_pixel_put(clmp_steep_pixel *column, int i, const clmp_steep_pixel *pixel) {
#ifdef CLMP_IN_REGISTERS
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        column[r] = clmp_pixel_or(&column[r], pixel, r == i);
#else
    column[i] = *pixel;
#endif
}

/* *pixel = column[i]. */
CLMP_FN void clmp_pixel_get(const clmp_steep_pixel *column, int i, clmp_steep_pixel *pixel) {
#ifdef CLMP_IN_REGISTERS
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        *pixel = clmp_pixel_or(pixel, &column[r], r == i);
#else
    *pixel = column[i];
#endif
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void clmp_upsample_steep_gradient(
    global const uchar *taps, global uchar *work, ulong high_at, ulong low_at, ulong spans_at, ulong sums_at,
    global const CLMP_LABEL *labels, ulong labels_at, global const float *class_weights, long ignore_index,
    global const float *plane, ulong plane_at, global const clmp_problem *problem, ulong pools_at,
    ulong images_per_pool, ulong first_row, ulong band_rows) {
    global const clmp_taps *head = CLMP_IN(const clmp_taps, taps, 0);
    const ulong tiles = head->columns.tiles, tile = get_global_id(0);
    if (tile >= tiles)
        return;
    const ulong image = get_global_id(1) / band_rows, band_row = get_global_id(1) % band_rows;
    clmp_site site;
    clmp_site_set(taps, work, high_at, low_at, spans_at, image, first_row + band_row, tile, &site);
    if (site.span == CLMP_SPAN_TAME || !clmp_site_is_steep(&site))
        return;
    global const clmp_pool *pool = CLMP_IN(const clmp_pool, work, pools_at) + image / images_per_pool;
    global const float *below = CLMP_IN(const float, taps, head->rows.share_at) + site.row->lane;
    global const float *after = CLMP_IN(const float, taps, head->columns.share_at) + site.column->lane;
    const int rows = site.row->count;
    clmp_steep_pixel column[CLMP_ROWS], pixel = {{-1, 0.0f}, 0.0f, 0.0f, 0};
    clmp_weights4 weights;
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        column[r] = pixel;
    for (int j = 0; j < site.column->count; ++j) {
        CLMP_ROLLED
        for (int i = 0; i < rows; ++i) {
            const ulong at = (image * head->rows.pixels + (ulong)(site.row->first + i)) * head->columns.pixels +
                             (ulong)(site.column->first + j);
            float label_exp;
            pixel.label = clmp_label_codes((long)labels[labels_at + at], ignore_index);
            clmp_site_weights(taps, &site, i, j, &weights);
            clmp_site_top(&site, &weights, &pixel.top);
            clmp_site_softmax(taps, &site, &weights, &pixel.top, pixel.label, &label_exp, &pixel.others);
            pixel.factor = clmp_pixel_factor(plane[plane_at + at], pixel.label, pixel.others, label_exp, pool,
                                             problem->slope, class_weights, head->class_down);
            pixel.others = -pixel.others;
            clmp_pixel_put(column, i, &pixel);
        }
        global float *to = CLMP_IN(float, work, sums_at) + (image * CLMP_CLASSES * band_rows + band_row) * 4 * tiles;
        CLMP_ROLLED
        for (int c = 0; c < CLMP_CLASSES; ++c, to += band_rows * 4 * tiles) {
            float above_sum = 0.0f, below_sum = 0.0f;
            CLMP_ROLLED
            for (int i = 0; i < rows; ++i) {
                float e = 0.0f;
                clmp_pixel_get(column, i, &pixel);
                if (pixel.factor != 0.0f && pixel.label != c) {
                    clmp_site_weights(taps, &site, i, j, &weights);
                    e = clmp_site_exp(taps, &site, &weights, &pixel.top, c);
                }
                const float g = clmp_pixel_term(pixel.factor, pixel.label == c ? pixel.others : e);
                above_sum = fma(1.0f - below[i], g, above_sum);
                below_sum = fma(below[i], g, below_sum);
            }
            const float before = 1.0f - after[j];
            const float sums[4] = {before * above_sum, after[j] * above_sum, before * below_sum, after[j] * below_sum};
            CLMP_UNROLL_ARRAY
            for (int q = 0; q < 4; ++q)
                to[q * tiles + tile] = j == 0 ? sums[q] : to[q * tiles + tile] + sums[q];
        }
    }
}
