/*
 * upsample_loss - of each pixel, from logits of lower resolution
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * As loss.cl, of interpolated logits.  With M near the largest logit, E_c = exp(x_c - M) and T the sum over c != y,
 * the cross-entropy is
 *
 *     log1p(T / E_y),     or  log T - (x_y - M)  where E_y is below 2^-100: from a loss of 69 on.
 *
 *   taps           clmp_taps and what it points to
 *   work           workspace, with the logits' parts from bytes high_at and low_at on (upsample_split.cl)
 *   labels         CLMP_LABEL (N, H, W), from labels_at on
 *   class_weights  float32 (C), finite, >= 0          (with CLMP_CLASS_WEIGHTS)
 *   plane          float32 (N, H, W) out, from plane_at on: the loss, or the mark of an invalid pixel (layout.clh)
 *   losses         float32 (N, H, W) out, from losses_at on: the loss, or 0  (where store_losses)
 *
 * Grid: (vectors of columns rounded up to work-groups, N x tiles of rows).
 */
#include "upsample_softmax.clh"

#include "criterion.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/* x_y - M, for each row: what is left to say of a label whose exponential is too small. */
CLMP_FN void clmp_label_logits(const clmp_view *view, const INTV *label, const clmp_slope *slopes,
                               const clmp_tile_softmax *s, FLOATV *label_logit) {
    FLOATV high, low;
    clmp_slope slope;
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        label_logit[r] = (FLOATV)0.0f;
    CLMP_ROLLED
    for (int c = 0; c < CLMP_CLASSES; ++c) {
        clmp_slope_from_line(view, slopes, c, s, &slope);
        CLMP_UNROLL_ARRAY
        for (int r = 0; r < CLMP_ROWS; ++r) {
            clmp_slope_at(view, &slope, r, &high, &low);
            label_logit[r] = select(label_logit[r], (high - s->sag[r]) + low, (INTV)(label[r] == (INTV)c));
        }
    }
}

/* The cross-entropy of a label whose exponential may have vanished. */
CLMP_FN FLOATV clmp_far_loss(FLOATV others, FLOATV label_exp, FLOATV label_logit, INTV *finite) {
    const INTV has_exp = (INTV)(label_exp >= (FLOATV)CLMP_LEAST_LABEL_EXP);
    const FLOATV near = clmp_near_loss(others, select((FLOATV)CLMP_EXP_SCALE, label_exp, has_exp));
    *finite = has_exp | (INTV)(label_logit > (FLOATV)(-INFINITY));
    return select(clmp_log(others * (FLOATV)CLMP_EXP_UNSCALE) - label_logit, near, has_exp);
}

/* Of a work-item's pixels, in rows of `width`: pointers are to the first row.  losses: or a null pointer. */
CLMP_TILE_FN void clmp_upsample_loss_item(const clmp_view *view, const clmp_spot *spot, ulong width,
                                          global const CLMP_LABEL *labels, global const float *class_weights,
                                          long ignore_index, global float *plane, global float *losses) {
    INTV label[CLMP_ROWS];
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        label[r] = r < view->rows ? clmp_spot_labels(spot, labels + r * width, ignore_index) : (INTV)(-CLMP_IGNORED);
    clmp_slope slopes[CLMP_COLUMNS_KEPT];
    clmp_tile_softmax s;
    clmp_tile_softmax_read(view, label, slopes, &s, 0, 0);

    INTV vanished = (INTV)0; /* below 0 where a class's exponential is less than that, in bits */
    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS; ++r)
        vanished |= (AS_INTV(s.label_exp[r]) - AS_INTV((FLOATV)CLMP_LEAST_LABEL_EXP)) & ~label[r];
    FLOATV label_logit[CLMP_ROWS];
    const int any_vanished = CLMP_ANY((INTV)(vanished < (INTV)0));
    if (any_vanished)
        clmp_label_logits(view, label, slopes, &s, label_logit);

    CLMP_UNROLL_ARRAY
    for (int r = 0; r < CLMP_ROWS_OF(*view); ++r) {
        if (r >= view->rows)
            continue;
        INTV finite = (INTV)(-1);
        FLOATV loss = any_vanished ? clmp_far_loss(s.others[r], s.label_exp[r], label_logit[r], &finite)
                                   : clmp_near_loss(s.others[r], s.label_exp[r]);
#ifdef CLMP_FOCAL_GAMMA_BITS
        loss = clmp_focal(s.others[r], s.label_exp[r], loss);
#endif
        loss = clmp_mark_loss(loss * clmp_label_weight(label[r], class_weights), label[r], finite);
        clmp_spot_store(spot, loss, plane + r * width);
        if (losses != 0)
            clmp_spot_store(spot, select((FLOATV)0.0f, loss, (INTV)(loss > (FLOATV)0.0f)), losses + r * width);
    }
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_loss(global const uchar *taps, global const uchar *work, ulong high_at, ulong low_at,
                   global const CLMP_LABEL *labels, ulong labels_at, global const float *class_weights,
                   long ignore_index, global float *plane, ulong plane_at, global float *losses, ulong losses_at,
                   int store_losses) {
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

    clmp_upsample_loss_item(&view, &spot, width, labels + labels_at + at, class_weights, ignore_index,
                            plane + plane_at + at, store_losses ? losses + losses_at + at : 0);
}
