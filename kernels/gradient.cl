/*
 * gradient - of the pooled loss with respect to the logits
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     g_c = w_u scale w_y ( softmax(x)_c - [c = y] )
 *
 * with the weights w_u held constant: exact, by Danskin's theorem.  At the label it is taken as minus the sum of the
 * other classes, which keeps its relative accuracy where the label's probability is near 1.
 *
 *   logits, labels, class_weights   as in loss.cl
 *   plane     float32 (N, pixels), from plane_at on: what loss.cl wrote
 *   gradient  float32 (N, C, pixels) out, from gradient_at on; may be the same place as logits
 *   work      workspace, with (pools) clmp_pool from byte pools_at on
 *   images_per_pool                 images that share a record of pools
 *   scale                           upstream gradient
 *
 * Grid: (pixels / CLMP_VECTOR rounded up to work-groups, N).
 */
#include "softmax.clh"
#include "weigh.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_gradient(global const float *logits, ulong logits_at, global const CLMP_LABEL *labels, ulong labels_at,
              global const float *class_weights, long ignore_index, ulong pixels, global const float *plane,
              ulong plane_at, global const clmp_problem *problem, global const uchar *work, ulong pools_at,
              ulong images_per_pool, float scale, global float *gradient, ulong gradient_at) {
    const ulong first = (ulong)get_global_id(0) * CLMP_VECTOR;
    if (first >= pixels)
        return;
    const ulong lanes = min(pixels - first, (ulong)CLMP_VECTOR);
    const ulong image = get_global_id(1);
    const ulong at = image * pixels + first;
    const ulong corner = image * CLMP_CLASSES * pixels + first;

    const INTV label = clmp_load_labels(labels + labels_at + at, lanes, ignore_index);
    FLOATV kept[CLMP_KEPT];
    global const float *x = logits + logits_at + corner;
    clmp_softmax s;
    clmp_softmax_read(x, pixels, lanes, label, kept, &s);

    const UINTV key = clmp_keys(clmp_load(plane + plane_at + at, lanes, -1.0f), 1);
    const INTV valid = CLMP_IS_LOSS(key);
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
    FLOATV factor = clmp_weigh(key, pools + image / images_per_pool, problem->slope);
    factor = clmp_limit(factor * clmp_limit((FLOATV)scale * (FLOATV)pools->image_share));
    factor = clmp_limit(factor * clmp_label_weight(label, class_weights));
    factor = clmp_flush(factor * clmp_reciprocal((s.others + s.label_exp) * (FLOATV)CLMP_EXP_UNSCALE));

    const ulong stride = pixels;
    for (int c = 0; c < CLMP_CLASSES; ++c) {
#if CLMP_CLASSES <= CLMP_KEEP
        const FLOATV e = kept[c];
#else
        const FLOATV e = clmp_exp_scaled(clmp_load(x + (ulong)c * stride, lanes, 0.0f), s.maximum);
#endif
        FLOATV g = factor * (select(e, -s.others, (INTV)(label == (INTV)c)) * (FLOATV)CLMP_EXP_UNSCALE);
        g = select((FLOATV)0.0f, clmp_flush(g), valid); /* a NaN stays in its pixel */
        clmp_store_once(g, gradient + gradient_at + corner + (ulong)c * stride, lanes);
    }
}
