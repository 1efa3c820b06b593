/*
 * upsample_gradient - of the pooled loss with respect to logits of lower resolution
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     G_c(i, j) = sum over the pixels between logit (i, j) and its neighbours of  a b g_c,
 *     g_c = w_u F w_y ( softmax(x)_c - [c = y] ),     a, b: the logit's weights in the pixel, of column and row
 *
 * the adjoint of the interpolation.  This adds up each tile for the four logits around it, upsample_gather.cl the tiles
 * for each logit.  The order is fixed: in a tile, down each column, then the lanes by neighbouring pairs, ((0 + 1) +
 * (2 + 3)) + .., as many as the slot has.
 *
 * No sum is subnormal: g is taken relative to the largest weight and class weight (powers of two are), with factors
 * below 2^-26 and exponentials below e^-38.8 = 2^-56 taken as 0, so that it is above 2^-92 for up to 1024 classes;
 * where there are more, or weights are not multiples of 1/32 but of 2^-24, g below 2^-55 is taken as 0.  So all sums
 * are multiples of 2^-126.
 *
 *   taps, labels, class_weights   as in upsample_loss.cl
 *   plane     float32 (N, H, W), from plane_at on: what upsample_loss.cl wrote
 *   work      workspace, with the logits' parts from bytes high_at and low_at on, (pools) clmp_pool from pools_at on,
 * and float32 (N, C, band_rows, 4, tiles of columns) from byte sums_at on: the sums of a tile for the logits before and
 * after its columns, in the row above, then below images_per_pool         images that share a record of pools
 *   first_row, band_rows    the tiles' rows that this launch is for
 */
#include "upsample.clh"

#include "upsample_factor.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/* A number for each whole tile of a vector, or for the one that it is a part of. */
#if CLMP_TILES == 1
#define CLMP_TILEV float
#else
#define CLMP_TILEV CLMP_PASTE(float, CLMP_TILES)
#endif

/* The sum over each tile's lanes. */
CLMP_FN CLMP_TILEV clmp_lane_sums(FLOATV v) {
#if CLMP_TILES == CLMP_VECTOR
    return v;
#else
#if CLMP_VECTOR == 16
    const float8 v8 = v.even + v.odd;
#elif CLMP_VECTOR == 8
    const float8 v8 = v;
#endif
#if CLMP_VECTOR == 16 && CLMP_TILES == 8
    return v8;
#else
#if CLMP_VECTOR >= 8
    const float4 v4 = v8.even + v8.odd;
#elif CLMP_VECTOR == 4
    const float4 v4 = v;
#endif
#if CLMP_VECTOR >= 8 && CLMP_TILES == 4
    return v4;
#else
#if CLMP_VECTOR >= 4
    const float2 v2 = v4.even + v4.odd;
#else
    const float2 v2 = v;
#endif
#if CLMP_VECTOR >= 4 && CLMP_TILES == 2
    return v2;
#else
    return v2.even + v2.odd;
#endif
#endif
#endif
#endif
}

CLMP_FN void clmp_store_tiles(CLMP_TILEV v, global float *p, ulong count) {
#if CLMP_TILES == 1
    *p = v;
#else
    if (count >= CLMP_TILES) {
        CLMP_PASTE(vstore, CLMP_TILES)(v, 0, p);
        return;
    }
    float tile[CLMP_TILES];
    CLMP_PASTE(vstore, CLMP_TILES)(v, 0, tile);
    for (uint k = 0; k < count; ++k)
        p[k] = tile[k];
#endif
}

/* Grid: (vectors of columns rounded up to work-groups, N x band_rows).  Work-items share a tile where it is wider
 * than a vector. */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_gradient(global const uchar *taps, global uchar *work, ulong high_at, ulong low_at, ulong sums_at,
                       global const CLMP_LABEL *labels, ulong labels_at, global const float *class_weights,
                       long ignore_index, global const float *plane, ulong plane_at, global const clmp_problem *problem,
                       ulong pools_at, ulong images_per_pool, ulong first_row, ulong band_rows) {
    global const clmp_taps *head = CLMP_IN(const clmp_taps, taps, 0);
    const ulong tiles = head->columns.tiles;
    ulong first_tile = get_global_id(0) / CLMP_PARTS * CLMP_TILES;
    const int active = first_tile < tiles;
#if CLMP_PARTS == 1
    if (!active)
        return;
#else
    local float exchange[2][4][CLMP_GROUP];
    first_tile = min(first_tile, tiles - 1); /* all must come to the barrier */
#endif
    const ulong part = get_global_id(0) % CLMP_PARTS;
    const ulong image = get_global_id(1) / band_rows, band_row = get_global_id(1) % band_rows;
    const ulong tile_row = first_row + band_row;
    clmp_view view;
    clmp_spot spot;
    clmp_view_set(taps, tile_row, first_tile, part, &view, &spot);
    view.high = CLMP_IN(const float, work, high_at) + image * CLMP_CLASSES * view.logits;
    view.low = CLMP_IN(const float, work, low_at) + image * CLMP_CLASSES * view.logits;
    global const clmp_tile *row = CLMP_IN(const clmp_tile, taps, head->rows.tiles_at) + tile_row;
    const ulong width = head->columns.pixels;
    const ulong at = (image * head->rows.pixels + row->first) * width;

    INTV label[CLMP_ROWS];
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        label[r] = r < view.rows ? clmp_spot_labels(&spot, labels + labels_at + at + r * width, ignore_index)
                                 : (INTV)(-CLMP_IGNORED);
    FLOATV kept[CLMP_TILE_KEPT];
    clmp_tile_softmax s;
    clmp_tile_softmax_read(&view, label, CLMP_LEAST_LOG, &s, kept);

    global const clmp_pool *pool = CLMP_IN(const clmp_pool, work, pools_at) + image / images_per_pool;
    FLOATV factor[CLMP_ROWS];
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r) {
        const FLOATV loss =
            r < view.rows ? clmp_spot_load(&spot, plane + plane_at + at + r * width, -1.0f) : (FLOATV)(-1.0f);
        factor[r] = clmp_pixel_factor(loss, label[r], s.others[r], s.label_exp[r], pool, problem->slope, class_weights,
                                      head->class_down);
        s.others[r] = -s.others[r];
    }

    const FLOATV after =
        CLMP_VLOAD(CLMP_IN(const float, taps, head->columns.share_at) + first_tile * CLMP_SLOT + part * CLMP_VECTOR);
    const FLOATV before = (FLOATV)1.0f - after;
    global const float *below = CLMP_IN(const float, taps, head->rows.share_at) + row->lane;
    global float *to =
        CLMP_IN(float, work, sums_at) + (image * CLMP_CLASSES * band_rows + band_row) * 4 * tiles + first_tile;
    CLMP_ROLLED
    for (int c = 0; c < CLMP_CLASSES; ++c, to += band_rows * 4 * tiles) {
        FLOATV above_sum = (FLOATV)0.0f, below_sum = (FLOATV)0.0f;
#if CLMP_TILE_KEPT == 1
        clmp_slope slope;
        clmp_slope_read(&view, c, &slope);
#endif
        CLMP_UNROLL_ARRAY
        for (int r = 0; r < CLMP_ROWS; ++r) {
#if CLMP_TILE_KEPT > 1
            const FLOATV e = kept[c * CLMP_ROWS + r];
#else
            FLOATV high, low;
            clmp_slope_at(&view, &slope, r, &high, &low);
            const FLOATV e = clmp_exp_scaled_sum(high - s.base[r], low, CLMP_LEAST_LOG);
#endif
            const FLOATV g = clmp_pixel_term(factor[r], e, s.others[r], (INTV)(label[r] == (INTV)c));
            above_sum = fma((FLOATV)(1.0f - below[r]), g, above_sum);
            below_sum = fma((FLOATV)below[r], g, below_sum);
        }
#if CLMP_PARTS == 1
        clmp_store_tiles(clmp_lane_sums(before * above_sum), to, tiles - first_tile);
        clmp_store_tiles(clmp_lane_sums(after * above_sum), to + tiles, tiles - first_tile);
        clmp_store_tiles(clmp_lane_sums(before * below_sum), to + 2 * tiles, tiles - first_tile);
        clmp_store_tiles(clmp_lane_sums(after * below_sum), to + 3 * tiles, tiles - first_tile);
#else
        /* two sets take turns, so that one barrier is enough */
        const uint id = (uint)get_local_id(0), begin = id - (uint)part;
        exchange[c & 1][0][id] = clmp_lane_sums(before * above_sum);
        exchange[c & 1][1][id] = clmp_lane_sums(after * above_sum);
        exchange[c & 1][2][id] = clmp_lane_sums(before * below_sum);
        exchange[c & 1][3][id] = clmp_lane_sums(after * below_sum);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint q = (uint)part; q < 4; q += CLMP_PARTS) {
            float pair[CLMP_PARTS];
            CLMP_UNROLL_ARRAY
            for (uint k = 0; k < CLMP_PARTS; ++k)
                pair[k] = exchange[c & 1][q][begin + k];
            CLMP_UNROLL_ARRAY
            for (uint count = CLMP_PARTS / 2; count > 0; count /= 2)
                CLMP_UNROLL_ARRAY
                for (uint k = 0; k < count; ++k)
                    pair[k] = pair[2 * k] + pair[2 * k + 1];
            if (active)
                to[q * tiles] = pair[0];
        }
#endif
    }
}
