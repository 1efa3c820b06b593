/*
 * loss - per-pixel softmax cross-entropy from logits and labels
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     l = w_y ( log sum_c exp(x_c) - x_y )
 *
 * taken as log1p(sum of exp(x_c - x_y) over the other classes) where the label y has the largest logit, so that the
 * loss of a confident pixel keeps its relative accuracy down to 2^-124.
 *
 *   logits         float32 (N, C, pixels), from logits_at on
 *   labels         CLMP_LABEL (N, pixels), from labels_at on
 *   class_weights  float32 (C), finite, >= 0          (with CLMP_CLASS_WEIGHTS)
 *   plane          float32 (N, pixels) out, from plane_at on: the loss, or the mark of an invalid pixel (layout.clh)
 *   losses         float32 (N, pixels) out, from losses_at on: the loss, or 0  (where store_losses)
 *
 * Grid: (pixels / CLMP_VECTOR rounded up to work-groups, N).
 */
#include "softmax.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_loss(global const float *logits, ulong logits_at, global const CLMP_LABEL *labels, ulong labels_at,
          global const float *class_weights, long ignore_index, ulong pixels, global float *plane, ulong plane_at,
          global float *losses, ulong losses_at, int store_losses) {
    const ulong first = (ulong)get_global_id(0) * CLMP_VECTOR;
    if (first >= pixels)
        return;
    const ulong lanes = min(pixels - first, (ulong)CLMP_VECTOR);
    const ulong image = get_global_id(1);
    const ulong at = image * pixels + first;

    const INTV label = clmp_load_labels(labels + labels_at + at, lanes, ignore_index);
    FLOATV kept[CLMP_KEPT];
    clmp_softmax s;
    clmp_softmax_read(logits + logits_at + image * CLMP_CLASSES * pixels + first, pixels, lanes, label, kept, &s);

    /* others < sqrt(2) - 1: only where the label has the largest logit */
    const FLOATV others = s.others * (FLOATV)CLMP_EXP_UNSCALE;
    const FLOATV log_sum = select(clmp_log((s.others + s.label_exp) * (FLOATV)CLMP_EXP_UNSCALE),
                                  clmp_log1p_core(others), (INTV)(others < (FLOATV)0x1.a8p-2f));
    FLOATV loss = (s.maximum - s.label_logit) + log_sum;
    loss = clmp_mark_loss(loss * clmp_label_weight(label, class_weights), label, s.finite);

    clmp_store(loss, plane + plane_at + at, lanes);
    if (store_losses)
        clmp_store(select((FLOATV)0.0f, loss, (INTV)(loss > (FLOATV)0.0f)), losses + losses_at + at, lanes);
}
