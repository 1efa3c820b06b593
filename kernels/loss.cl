/*
 * loss - of each pixel, from logits and labels
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The softmax cross-entropy log sum_c exp(x_c) - x_y is taken as log1p(sum of exp(x_c - x_y) over the other classes), so
 * that the loss of a confident pixel keeps its relative accuracy down to 2^-124; only beyond a loss of 69 as a logarithm
 * and a difference.  criterion.clh has the losses that are made of it.
 *
 *   logits         from logits_at on, and their strides: logits.clh
 *   labels         CLMP_LABEL (planes, rows, pixels), from labels_at on
 *   class_weights  float32 (C), with CLMP_CHANNELS (C, 2); finite, >= 0   (with CLMP_CLASS_WEIGHTS)
 *   pixels         pixels of a row
 *   plane          float32 (planes, rows, pixels) out, from plane_at on: the loss, or the mark of an invalid pixel
 *                  (layout.clh)
 *   losses         float32 (planes, rows, pixels) out, from losses_at on: the loss, or 0  (where store_losses)
 *   maxima, others float32 (planes, rows, pixels) out, from maxima_at and others_at on in the workspace: the largest
 *                  logit, and the sum of the other classes' exponentials, for the gradient  (with CLMP_SUMS)
 *
 * Grid: (pixels / (CLMP_VECTOR CLMP_RUN) rounded up to work-groups, rows, planes).
 */
#include "criterion.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/* Of a work-item's pixels, of which `left` are left: all pointers are to the first.  losses: or a null pointer. */
CLMP_ITEM_FN void clmp_loss_item(global const clmp_logit *logits, ulong class_stride, global const CLMP_LABEL *labels,
                                 global const float *class_weights, long ignore_index, ulong left, global float *plane,
                                 global float *losses, global float *maxima, global float *others) {
    FLOATV kept[CLMP_KEPT * CLMP_RUN];
    clmp_softmax run[CLMP_RUN];
    clmp_softmax_maxima(logits, class_stride, left, 0, kept, run);
    for (int k = 0; k < CLMP_RUN; ++k, logits += CLMP_VECTOR * CLMP_PIXEL_STRIDE) {
        const ulong at = k * CLMP_VECTOR, lanes = clmp_run_lanes(left, k);
        const INTV label = clmp_load_labels(labels + at, lanes, ignore_index);
        clmp_softmax s = run[k];
        clmp_softmax_sums(logits, class_stride, lanes, label, class_weights, 0, kept + k, &s);
        const FLOATV h = clmp_cross_entropy_of(&s, logits, class_stride, lanes, label);
        const FLOATV loss = clmp_mark_loss(clmp_criterion(&s, h, label, class_weights), label, s.finite);

        clmp_store(loss, plane + at, lanes);
#ifdef CLMP_SUMS
        clmp_store(s.maximum, maxima + at, lanes);
        clmp_store(s.others, others + at, lanes);
#endif
        if (losses != 0)
            clmp_store(select((FLOATV)0.0f, loss, (INTV)(loss > (FLOATV)0.0f)), losses + at, lanes);
    }
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_loss(global const clmp_logit *logits, ulong logits_at, ulong image_stride, ulong class_stride, ulong row_stride,
          global const CLMP_LABEL *labels, ulong labels_at, global const float *class_weights, long ignore_index,
          ulong pixels, global float *plane, ulong plane_at, global float *losses, ulong losses_at,
          int store_losses, global uchar *work, ulong maxima_at, ulong others_at) {
    const ulong first = (ulong)get_global_id(0) * CLMP_RUN_PIXELS;
    if (first >= pixels)
        return;
    const ulong row = get_global_id(1), plane_index = get_global_id(2);
    const ulong begin = (plane_index * get_global_size(1) + row) * pixels + first;
    logits += logits_at + clmp_logit_of(plane_index, row, first, image_stride, class_stride, row_stride);
#ifdef CLMP_CHANNELS
    class_weights += plane_index % CLMP_CHANNELS * 2;
#endif
    clmp_loss_item(logits, class_stride, labels + labels_at + begin, class_weights, ignore_index, pixels - first,
                   plane + plane_at + begin, store_losses ? losses + losses_at + begin : 0,
                   CLMP_IN(float, work, maxima_at) + begin, CLMP_IN(float, work, others_at) + begin);
}
