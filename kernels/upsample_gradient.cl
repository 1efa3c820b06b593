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
 * No sum is subnormal: g is taken relative to the largest weight and class weight (powers of two are), times 2^70, with
 * factors below 2^-26 and exponentials below e^-86 = 2^-124 taken as 0, so that it is above 2^-91 for up to 1024
 * classes; where there are more, or weights are not multiples of 1/32 but of 2^-24, g below 2^-55 is taken as 0.  So
 * all sums are multiples of 2^-126.
 *
 *   taps, labels, class_weights   as in upsample_loss.cl
 *   plane     float32 (N, H, W), from plane_at on: what upsample_loss.cl wrote
 *   work      workspace, with the logits' parts from bytes high_at and low_at on, (pools) clmp_pool from pools_at on,
 * and float32 (N, C, band_rows, 4, tiles of columns) from byte sums_at on: the sums of a tile for the logits before and
 * after its columns, in the row above, then below images_per_pool         images that share a record of pools
 *   first_row, band_rows    the tiles' rows that this launch is for
 */
#include "upsample_softmax.clh"

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

/* Of two vectors.  Where two tiles are in each, in the order of x86's instruction for sums of neighbours. */
CLMP_FN void clmp_two_lane_sums(FLOATV a, FLOATV b, CLMP_TILEV *sums) {
#if CLMP_VECTOR == 16 && CLMP_TILES == 2
    const float8 a8 = a.s028a46ce + a.s139b57df, b8 = b.s028a46ce + b.s139b57df;
    const float8 ab = (float8)(a8.s02, b8.s02, a8.s46, b8.s46) + (float8)(a8.s13, b8.s13, a8.s57, b8.s57);
    const float4 both = ab.lo + ab.hi;
    sums[0] = both.lo;
    sums[1] = both.hi;
#else
    sums[0] = clmp_lane_sums(a);
    sums[1] = clmp_lane_sums(b);
#endif
}

/* Room where work-items that share a tile add up their sums. */
#if CLMP_PARTS == 1
#define CLMP_EXCHANGE
#else
#define CLMP_EXCHANGE , local float (*exchange)[4][CLMP_GROUP]
#endif

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

/* Where a work-item's sums go, and what they are made with. */
typedef struct clmp_adjoint {
    global const float *after, *below; /* weights of the logits after the columns and below the rows */
    global float *to;                  /* four rows of `tiles` numbers, of which this work-item's begin here */
    ulong tiles, class_stride;         /* and where the next class's are */
    ulong count;                       /* of tiles from here on, 0 where the work-item has none */
    float slope, class_down;
} clmp_adjoint;

/* The gradient of one class, summed down the columns for the logits above and below. */
CLMP_FN void clmp_column_sums(const clmp_view *view, const INTV *label, const clmp_slope *slopes,
                              const clmp_tile_softmax *s, const clmp_progression *kept, const uchar *one_by_one,
                              const FLOATV *factor, const float (*weights)[2], int c, FLOATV *above_sum,
                              FLOATV *below_sum) {
    clmp_slope slope;
    clmp_progression progression;
#if CLMP_COLUMNS_KEPT > 1
    CLMP_UNROLL
    for (int g = 0; g < CLMP_FIRSTS; ++g)
        progression.first[g] = kept[c].first[g];
    progression.ratio = kept[c].ratio;
    const int slow = one_by_one[c];
    if (slow)
        clmp_slope_from_line(view, slopes, c, s, &slope);
#else
    clmp_slope_from_line(view, slopes, c, s, &slope);
    const int slow = clmp_progression_of(view, &slope, &progression) | s->sags;
#endif
    *above_sum = *below_sum = (FLOATV)0.0f;
    CLMP_UNROLL
    for (int g = 0; g < CLMP_FIRSTS; ++g) {
        FLOATV e[CLMP_STRIDE];
        clmp_group_exps(view, &slope, s, &progression, slow, g, e);
        CLMP_UNROLL
        for (int k = 0; k < CLMP_STRIDE; ++k) {
            const int r = g * CLMP_STRIDE + k;
            if (r >= CLMP_ROWS)
                continue;
            if (CLMP_MAY_BE_LABEL(s->seen, c))
                e[k] = select(e[k], s->others[r], (INTV)(label[r] == (INTV)c));
            const FLOATV term = clmp_pixel_term(factor[r], e[k]);
            *above_sum = fma((FLOATV)weights[r][0], term, *above_sum);
            *below_sum = fma((FLOATV)weights[r][1], term, *below_sum);
        }
    }
}

/* Of a work-item's pixels, in rows of `width`: pointers are to the first row. */
CLMP_TILE_FN void clmp_upsample_gradient_item(const clmp_view *view, const clmp_spot *spot, ulong width,
                                              global const CLMP_LABEL *labels, global const float *class_weights,
                                              long ignore_index, global const float *plane,
                                              global const clmp_pool *pool, const clmp_adjoint *adjoint CLMP_EXCHANGE) {
    INTV label[CLMP_ROWS];
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        label[r] = r < view->rows ? clmp_spot_labels(spot, labels + r * width, ignore_index) : (INTV)(-CLMP_IGNORED);
    clmp_slope slopes[CLMP_COLUMNS_KEPT];
    clmp_progression kept[CLMP_COLUMNS_KEPT];
    uchar one_by_one[CLMP_COLUMNS_KEPT];
    clmp_tile_softmax s;
    clmp_tile_softmax_read(view, label, slopes, &s, kept, one_by_one);

    FLOATV factor[CLMP_ROWS];
    float weights[CLMP_ROWS][2]; /* of the logits above and below: a copy, as what is stored might change those */
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r) {
        weights[r][0] = 1.0f - adjoint->below[r];
        weights[r][1] = adjoint->below[r];
        const FLOATV loss = r < view->rows ? clmp_spot_load(spot, plane + r * width, -1.0f) : (FLOATV)(-1.0f);
        factor[r] = clmp_pixel_factor(loss, label[r], s.others[r], s.label_exp[r], pool, adjoint->slope, class_weights,
                                      adjoint->class_down);
        s.others[r] = -s.others[r];
    }

    const FLOATV after = CLMP_VLOAD(adjoint->after), before = (FLOATV)1.0f - after;
    global float *to = adjoint->to;
    const ulong tiles = adjoint->tiles;
    CLMP_ROLLED
    for (int c = 0; c < CLMP_CLASSES; ++c, to += adjoint->class_stride) {
        FLOATV above_sum, below_sum;
        clmp_column_sums(view, label, slopes, &s, kept, one_by_one, factor, weights, c, &above_sum, &below_sum);
#if CLMP_PARTS == 1
        CLMP_TILEV sums[4];
        clmp_two_lane_sums(before * above_sum, after * above_sum, sums);
        clmp_two_lane_sums(before * below_sum, after * below_sum, sums + 2);
        CLMP_UNROLL
        for (uint q = 0; q < 4; ++q)
            clmp_store_tiles(sums[q], to + q * tiles, adjoint->count);
#else
        /* two sets take turns, so that one barrier is enough */
        const uint id = (uint)get_local_id(0), part = id % CLMP_PARTS, begin = id - part;
        exchange[c & 1][0][id] = clmp_lane_sums(before * above_sum);
        exchange[c & 1][1][id] = clmp_lane_sums(after * above_sum);
        exchange[c & 1][2][id] = clmp_lane_sums(before * below_sum);
        exchange[c & 1][3][id] = clmp_lane_sums(after * below_sum);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint q = part; q < 4; q += CLMP_PARTS) {
            float pair[CLMP_PARTS];
            CLMP_UNROLL_ARRAY
            for (uint k = 0; k < CLMP_PARTS; ++k)
                pair[k] = exchange[c & 1][q][begin + k];
            CLMP_UNROLL_ARRAY
            for (uint count = CLMP_PARTS / 2; count > 0; count /= 2)
                CLMP_UNROLL_ARRAY
            for (uint k = 0; k < count; ++k)
                pair[k] = pair[2 * k] + pair[2 * k + 1];
            if (adjoint->count > 0)
                to[q * tiles] = pair[0];
        }
#endif
    }
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

    const clmp_adjoint adjoint = {
        CLMP_IN(const float, taps, head->columns.share_at) + first_tile * CLMP_SLOT + part * CLMP_VECTOR,
        CLMP_IN(const float, taps, head->rows.share_at) + row->lane,
        CLMP_IN(float, work, sums_at) + (image * CLMP_CLASSES * band_rows + band_row) * 4 * tiles + first_tile,
        tiles,
        band_rows * 4 * tiles,
        active ? tiles - first_tile : 0,
        problem->slope,
        head->class_down};
    clmp_upsample_gradient_item(&view, &spot, width, labels + labels_at + at, class_weights, ignore_index,
                                plane + plane_at + at,
                                CLMP_IN(const clmp_pool, work, pools_at) + image / images_per_pool,
#if CLMP_PARTS == 1
                                &adjoint);
#else
                                &adjoint, exchange);
#endif
}
