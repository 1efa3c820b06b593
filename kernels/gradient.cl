/*
 * gradient - of the pooled loss with respect to the logits
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     g_c = w_u scale F w_y ( softmax(x)_c - [c = y] )
 *
 * with the weights w_u held constant: exact, by Danskin's theorem.  At the label it is taken as minus the sum of the
 * other classes, which keeps its relative accuracy where the label's probability is near 1.  F is 1, but for focal
 * losses; label smoothing e makes it (1 - e) of that, and adds w_u scale (e / C) ( softmax(x)_c sum_k w_k - w_c ).
 *
 *   logits, labels, class_weights, pixels   as in loss.cl
 *   plane     float32 (planes, rows, pixels), from plane_at on: what loss.cl wrote
 *   gradient  as logits, out, from gradient_at on; may be the same place as logits
 *   work      workspace, with (pools) clmp_pool from byte pools_at on
 *   first_pool, pool_step           the first image's record of pools, and how many to the next image's: 0 or 1
 *   scale                           upstream gradient
 *
 * Grid: (pixels / CLMP_VECTOR rounded up to work-groups, rows, planes).
 */
#include "criterion.clh"
#include "weigh.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_gradient(global const clmp_logit *logits, ulong logits_at, ulong image_stride, ulong class_stride,
              ulong row_stride, global const CLMP_LABEL *labels, ulong labels_at, global const float *class_weights,
              long ignore_index, ulong pixels, global const float *plane, ulong plane_at,
              global const clmp_problem *problem, global const uchar *work, ulong pools_at, ulong first_pool,
              ulong pool_step, float scale, global clmp_logit *gradient, ulong gradient_at) {
    const ulong first = (ulong)get_global_id(0) * CLMP_VECTOR;
    if (first >= pixels)
        return;
    const ulong lanes = min(pixels - first, (ulong)CLMP_VECTOR);
    const ulong row = get_global_id(1), plane_index = get_global_id(2);
    const ulong at = (plane_index * get_global_size(1) + row) * pixels + first;
    const ulong corner = clmp_logit_of(plane_index, row, first, image_stride, class_stride, row_stride);
#ifdef CLMP_CHANNELS
    class_weights += plane_index % CLMP_CHANNELS * 2;
#endif

    const INTV label = clmp_load_labels(labels + labels_at + at, lanes, ignore_index);
    FLOATV kept[CLMP_KEPT];
    global const clmp_logit *x = logits + logits_at + corner;
    clmp_softmax s;
    clmp_softmax_read(x, class_stride, lanes, label, class_weights, 1, kept, &s);

    const UINTV key = clmp_keys(clmp_load(plane + plane_at + at, lanes, -1.0f), 1);
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
#ifdef CLMP_CHANNELS
    global const clmp_pool *pool = pools + first_pool + plane_index / CLMP_CHANNELS * pool_step;
#else
    global const clmp_pool *pool = pools + first_pool + plane_index * pool_step;
#endif
    FLOATV factor = clmp_weigh(key, pool, problem->slope);
#ifdef CLMP_FOCAL_GAMMA_BITS
    factor = select((FLOATV)0.0f, factor, (INTV)(factor >= (FLOATV)(pool->tau * CLMP_FOCAL_LEAST)));
#endif
    factor = clmp_limit(factor * clmp_limit((FLOATV)scale * (FLOATV)pools->image_share));
    const FLOATV reciprocal = clmp_reciprocal(s.others + s.label_exp);
#ifdef CLMP_SMOOTH_HARD_BITS
#ifdef CLMP_CHANNELS
    const FLOATV weight = clmp_label_weight(label, class_weights);
#else
    const FLOATV weight = (FLOATV)1.0f;
#endif
    const FLOATV share = clmp_limit(clmp_limit(factor * weight) * (FLOATV)CLMP_SMOOTH_SHARE);
    FLOATV total = clmp_flush(clmp_limit(clmp_limit(factor * weight) * (FLOATV)CLMP_SMOOTH_TOTAL) * reciprocal);
#endif
    factor = clmp_limit(factor * clmp_label_weight(label, class_weights));
#if defined(CLMP_FOCAL_GAMMA_BITS)
    /* without its exponential, which is as good as 0, the label has no share of F */
    factor = clmp_limit(factor * clmp_focal_slope(s.others * (FLOATV)CLMP_EXP_SCALE,
                                                  s.label_exp * (FLOATV)CLMP_EXP_SCALE, clmp_cross_entropy(&s)));
#elif defined(CLMP_SMOOTH_HARD_BITS)
    factor = clmp_limit(factor * (FLOATV)CLMP_SMOOTH_HARD);
#endif
    factor = clmp_flush(factor * reciprocal);

    /* A NaN stays in its pixel, whose weight is 0.  Few vectors have any, and the others are spared a selection a class. */
    if (CLMP_ANY(~s.finite)) {
        factor = select((FLOATV)0.0f, factor, s.finite);
        s.others = select((FLOATV)0.0f, s.others, s.finite);
#ifdef CLMP_SMOOTH_HARD_BITS
        total = select((FLOATV)0.0f, total, s.finite);
#endif
#if CLMP_CLASSES <= CLMP_KEEP
        CLMP_UNROLL_KEPT
        for (int c = 0; c < CLMP_CLASSES; ++c)
            kept[c] = select((FLOATV)0.0f, kept[c], s.finite);
#endif
    }

    global clmp_logit *const to = gradient + gradient_at + corner;
    const FLOATV label_gradient = factor * -s.others;
#ifdef CLMP_CHANNELS
    for (int c = 1; c < 2; ++c) {
        const ulong place = 0;
#else
    CLMP_UNROLL_KEPT
    for (int c = 0; c < CLMP_CLASSES; ++c) {
        const ulong place = (ulong)c * class_stride;
#endif
#if CLMP_CLASSES <= CLMP_KEEP
        const FLOATV e = kept[c];
#else
        const FLOATV e = select((FLOATV)0.0f, clmp_exp(clmp_load_logits(x + place, lanes) - s.maximum), s.finite);
#endif
        FLOATV g = clmp_flush(select(factor * e, label_gradient, (INTV)(label == (INTV)c)));
#ifdef CLMP_SMOOTH_HARD_BITS
        FLOATV taken = share;
#if defined(CLMP_CLASS_WEIGHTS) && !defined(CLMP_CHANNELS)
        taken = clmp_limit(taken * (FLOATV)class_weights[c]);
#endif
        g = clmp_limit(g + clmp_flush(fma(total, e, -taken)));
#endif
        clmp_store_gradient(g, to + place, lanes);
    }
}
