/*
 * upsample_confusion - how often pixels of each class are predicted as each class, from interpolated logits
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * As confusion.cl; of two classes the one is larger whose high part is, by more than its low part is smaller.  A pixel
 * that a NaN or +inf reaches has no logit above -inf (upsample_split.cl), and no prediction.  Steep tiles are left to
 * upsample_steep_confusion.cl.
 *
 *   taps, work, high_at, low_at, labels   as in upsample_loss.cl
 *   spans_at   byte of the workspace with float32 (N, rows, pixels of logits): the spans of upsample_split.cl
 *   confusion  ulong (CLMP_CONFUSION(C)) in and out, from confusion_at on: as the public header says
 *
 * Grid: (vectors of columns rounded up to work-groups, N x tiles of rows).
 */
#include "upsample.clh"

#include "confusion.clh"
#include "steep.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_confusion(global const uchar *taps, global const uchar *work, ulong high_at, ulong low_at,
                        ulong spans_at, global const CLMP_LABEL *labels, ulong labels_at, long ignore_index, global ulong *confusion,
                        ulong confusion_at) {
    global const clmp_taps *head = CLMP_IN(const clmp_taps, taps, 0);
    const ulong first_tile = get_global_id(0) / CLMP_PARTS * CLMP_TILES;
    if (first_tile >= head->columns.tiles)
        return;
    const ulong image = get_global_id(1) / head->rows.tiles, tile_row = get_global_id(1) % head->rows.tiles;
    clmp_view view;
    clmp_spot spot;
    clmp_view_set(taps, tile_row, first_tile, get_global_id(0) % CLMP_PARTS, &view, &spot);
    view.high = CLMP_IN(const float, work, high_at) + image * CLMP_CLASSES * view.logits;
    view.low = CLMP_IN(const float, work, low_at) + image * CLMP_CLASSES * view.logits;
    const ulong width = head->columns.pixels;
    const ulong at =
        (image * head->rows.pixels + CLMP_IN(const clmp_tile, taps, head->rows.tiles_at)[tile_row].first) * width;

    FLOATV largest[CLMP_ROWS], largest_low[CLMP_ROWS];
    INTV prediction[CLMP_ROWS];
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r) {
        largest[r] = (FLOATV)(-INFINITY);
        largest_low[r] = (FLOATV)0.0f;
        prediction[r] = (INTV)(-1);
    }
    CLMP_ROLLED
    for (int c = 0; c < CLMP_CLASSES; ++c) {
        clmp_slope slope;
        clmp_slope_read(&view, c, &slope);
        CLMP_UNROLL_ARRAY
        for (int r = 0; r < CLMP_ROWS; ++r) {
            FLOATV high, low;
            clmp_slope_at(&view, &slope, r, &high, &low);
            /* false for NaN, and for -inf less -inf */
            const INTV greater = (INTV)((high - largest[r]) + (low - largest_low[r]) > (FLOATV)0.0f);
            largest[r] = select(largest[r], high, greater);
            largest_low[r] = select(largest_low[r], low, greater);
            prediction[r] = select(prediction[r], (INTV)c, greater);
        }
    }
    int steep[CLMP_TILES];
    CLMP_UNROLL_ARRAY
    for (uint k = 0; k < CLMP_TILES; ++k) {
        const clmp_corners corners =
            clmp_corners_of(view.above, view.below, (ulong)view.before[k], (ulong)view.after[k]);
        const float span = clmp_corners_span(&corners, CLMP_IN(const float, work, spans_at) + image * view.logits);
        steep[k] = clmp_is_steep(&corners, span, view.high, view.logits);
    }
    clmp_tally tally = {0, 0};
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS_OF(view); ++r) {
        if (r >= view.rows)
            continue;
        int of[2][CLMP_VECTOR];
        CLMP_VSTORE(clmp_spot_labels(&spot, labels + labels_at + at + r * width, ignore_index), of[0]);
        CLMP_VSTORE(prediction[r], of[1]);
        for (uint i = 0; i < CLMP_VECTOR; ++i)
            if (spot.pixel[i] >= 0 && !steep[CLMP_TILES == 1 ? 0 : i / CLMP_SLOT])
                clmp_tally_one(&tally, of[0][i], of[1][i], confusion + confusion_at);
    }
    clmp_tally_end(&tally, confusion + confusion_at);
}
