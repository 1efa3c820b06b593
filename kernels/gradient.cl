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
 *   work      workspace, with (pools) clmp_pool from byte pools_at on, and what loss.cl left there (with CLMP_SUMS)
 *   first_pool, pool_step           the first image's record of pools, and how many to the next image's: 0 or 1
 *   scale                           upstream gradient
 *   range_counts, range_at          with CLMP_RANGE: clmp_gradient_range in and out, in numbers of 64 bits: range.clh
 *
 * Grid: (pixels / (CLMP_VECTOR CLMP_RUN) rounded up to work-groups, rows, planes).
 */
#include "criterion.clh"
#include "weigh.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

#include "range.clh"

/* Exponentials are those that the sums were made of, or made again. */
#if CLMP_CLASSES <= CLMP_KEEP && !defined(CLMP_SUMS)
#define CLMP_GRADIENT_KEPT 1
#ifdef CLMP_TRANSPOSED
#define CLMP_GRADIENT_TRANSPOSED 1
#endif
#endif

/* A pixel's gradient: factor e_c, label at the label; smoothed, total e_c - share w_c besides. */
typedef struct clmp_slope_factors {
    FLOATV factor, label;
#ifdef CLMP_SMOOTH_HARD_BITS
    FLOATV share, total;
#endif
} clmp_slope_factors;

/*
 * What of them needs no logit: begun before the sums of exponentials, since a power's 40 operations wait for each other, and
 * a CPU adds up in the meantime.  scale: of all pixels.
 */
CLMP_FN clmp_slope_factors clmp_slope_begin(FLOATV loss, global const clmp_pool *pool, float slope, FLOATV scale,
                                            INTV label, global const float *class_weights) {
    clmp_slope_factors f;
    FLOATV factor = clmp_weigh_marked(loss, pool, slope);
#ifdef CLMP_FOCAL_GAMMA_BITS
    factor = select((FLOATV)0.0f, factor, (INTV)(factor >= (FLOATV)(pool->tau * CLMP_FOCAL_LEAST)));
#endif
    factor = clmp_limit(factor * scale);
#ifdef CLMP_SMOOTH_HARD_BITS
#ifdef CLMP_CHANNELS
    const FLOATV weight = clmp_label_weight(label, class_weights);
#else
    const FLOATV weight = (FLOATV)1.0f;
#endif
    f.share = clmp_limit(clmp_limit(factor * weight) * (FLOATV)CLMP_SMOOTH_SHARE);
    f.total = clmp_limit(clmp_limit(factor * weight) * (FLOATV)CLMP_SMOOTH_TOTAL);
#endif
    factor = clmp_limit(factor * clmp_label_weight(label, class_weights));
#if defined(CLMP_SMOOTH_HARD_BITS) && !defined(CLMP_FOCAL_GAMMA_BITS)
    factor = clmp_limit(factor * (FLOATV)CLMP_SMOOTH_HARD);
#endif
    f.factor = factor;
    return f;
}

/* A NaN stays in its pixel, whose weight is 0. */
CLMP_FN void clmp_slope_end(const clmp_softmax *s, clmp_slope_factors *f) {
    const FLOATV reciprocal = clmp_reciprocal(s->others + s->label_exp);
#ifdef CLMP_SMOOTH_HARD_BITS
    f->total = select((FLOATV)0.0f, clmp_flush(f->total * reciprocal), s->finite);
#endif
    FLOATV factor = f->factor;
#ifdef CLMP_FOCAL_GAMMA_BITS
    /* without its exponential, which is as good as 0, the label has no share of F */
    factor = clmp_limit(factor * clmp_focal_slope(s->others * (FLOATV)CLMP_EXP_SCALE,
                                                  s->label_exp * (FLOATV)CLMP_EXP_SCALE, clmp_cross_entropy(s)));
#endif
    f->factor = select((FLOATV)0.0f, clmp_flush(factor * reciprocal), s->finite);
    f->label = clmp_flush(f->factor * select((FLOATV)0.0f, -s->others, s->finite));
}

/* Where a class of vector k of a run is, from class 0 of its first on. */
CLMP_FN ulong clmp_place(int c, int k, ulong class_stride) {
#ifdef CLMP_CHANNELS
    c = 0;
#endif
    return (ulong)c * class_stride + k * CLMP_VECTOR * CLMP_PIXEL_STRIDE;
}

/* Of class c, in `lanes` pixels.  x: the class's logits, from which exponentials are made again with `base` where
 * `kept` has none. */
CLMP_FN FLOATV clmp_class_gradient(int c, global const clmp_logit *x, ulong lanes, INTV label,
                                   const clmp_slope_factors *f, const clmp_exp_base *base, const FLOATV *kept,
                                   global const float *class_weights) {
#ifdef CLMP_GRADIENT_KEPT
    const FLOATV e = kept[c * CLMP_RUN];
#else
    const FLOATV e = clmp_exp_or_0(clmp_load_logits(x, lanes) - base->shift, base);
#endif
#if defined(CLMP_GRADIENT_KEPT) && defined(CLMP_LABEL_ASIDE)
    const INTV is_label = AS_INTV(e); /* its sign */
#else
    const INTV is_label = (INTV)(label == (INTV)c);
#endif
    const FLOATV g = select(clmp_flush(f->factor * e), f->label, is_label);
#ifdef CLMP_SMOOTH_HARD_BITS
    FLOATV taken = f->share;
#if defined(CLMP_CLASS_WEIGHTS) && !defined(CLMP_CHANNELS)
    taken = clmp_limit(taken * (FLOATV)class_weights[c]);
#endif
    return clmp_limit(g + clmp_flush(fma(f->total, e, -taken)));
#else
    return g;
#endif
}

/* What is left to do for each class.  A loop of its own where gradients are streamed, so that no class asks. */
static __attribute__((always_inline)) void
clmp_gradient_classes(global const clmp_logit *x, ulong class_stride, global const float *class_weights, ulong left,
                      const INTV *label, const clmp_slope_factors *f, const clmp_exp_base *base, const FLOATV *kept,
                      global clmp_logit *to, int streamed CLMP_RANGE_PARAMETER) {
#ifdef CLMP_CHANNELS
    for (int c = 1; c < 2; ++c) {
#else
    CLMP_UNROLL_KEPT
    for (int c = 0; c < CLMP_CLASSES; ++c) {
#endif
        CLMP_UNROLL
        for (int k = 0; k < CLMP_RUN; ++k) {
            const ulong lanes = clmp_run_lanes(left, k), place = clmp_place(c, k, class_stride);
            const FLOATV g =
                clmp_class_gradient(c, x + place, lanes, label[k], &f[k], &base[k], kept + k, class_weights);
            CLMP_RANGE_SEE(g, lanes);
            clmp_store_gradient(g, to + place, lanes, streamed);
        }
    }
}

#ifdef CLMP_GRADIENT_TRANSPOSED
/* The same of one whole vector whose pixels have their classes together. */
CLMP_FN void clmp_gradient_squares(global const float *class_weights, INTV label, const clmp_slope_factors *f,
                                   const FLOATV *kept, global clmp_logit *to CLMP_RANGE_PARAMETER) {
    clmp_logit tile[CLMP_PIXEL_STRIDE * CLMP_VECTOR];
    const int streams = CLMP_TILE_STREAMS(to);
    for (int begin = 0; begin < CLMP_CLASSES; begin += 4) {
        const int first = clmp_square_class(begin);
        FLOATV v[4];
        CLMP_UNROLL
        for (int i = 0; i < 4; ++i) {
            v[i] = clmp_class_gradient(first + i, 0, CLMP_VECTOR, label, f, 0, kept, class_weights);
            if (first + i >= begin) /* once */
                CLMP_RANGE_SEE(v[i], CLMP_VECTOR);
        }
        clmp_store_squares(v, first, streams, tile, to);
    }
    clmp_stream_tile(streams, tile, to);
}
#endif

/* Of a work-item's pixels, of which `left` are left: all pointers are to the first.  scale, share: of all pixels. */
CLMP_ITEM_FN void clmp_gradient_item(global const clmp_logit *x, ulong class_stride, global const CLMP_LABEL *labels,
                                     global const float *class_weights, long ignore_index, ulong left,
                                     global const float *plane, global const clmp_pool *pool, float slope, float scale,
                                     float share, global const float *maxima, global const float *others,
                                     global clmp_logit *to CLMP_RANGE_PARAMETER) {
    const FLOATV all = clmp_limit((FLOATV)scale * (FLOATV)share);
    INTV label[CLMP_RUN];
    clmp_exp_base base[CLMP_RUN];
    FLOATV kept[CLMP_KEPT * CLMP_RUN];
    clmp_slope_factors f[CLMP_RUN];
#ifndef CLMP_SUMS
    clmp_softmax run[CLMP_RUN];
    clmp_softmax_maxima(x, class_stride, left, 1, kept, run);
#endif
    for (int k = 0; k < CLMP_RUN; ++k) {
        const ulong at = k * CLMP_VECTOR, lanes = clmp_run_lanes(left, k);
        global const clmp_logit *from = x + k * CLMP_VECTOR * CLMP_PIXEL_STRIDE;
        label[k] = clmp_load_labels(labels + at, lanes, ignore_index);
        f[k] = clmp_slope_begin(clmp_load(plane + at, lanes, -1.0f), pool, slope, all, label[k], class_weights);
#ifdef CLMP_SUMS
        clmp_softmax s;
        s.maximum = clmp_load(maxima + at, lanes, 0.0f);
        s.others = clmp_load(others + at, lanes, 0.0f);
        clmp_softmax_label(from, class_stride, lanes, label[k], &s);
#else
        clmp_softmax s = run[k];
        clmp_softmax_sums(from, class_stride, lanes, label[k], class_weights, 1, kept + k, &s);
#endif
#ifndef CLMP_GRADIENT_KEPT
        base[k] = s.base;
#endif
        clmp_slope_end(&s, &f[k]);
#ifdef CLMP_GRADIENT_KEPT
        /* few vectors have a NaN, and the others are spared a selection for each class */
        if (CLMP_ANY((INTV)(s.finite == (INTV)0))) {
            CLMP_UNROLL_KEPT
            for (int c = 0; c < CLMP_CLASSES; ++c)
                kept[c * CLMP_RUN + k] = select((FLOATV)0.0f, kept[c * CLMP_RUN + k], s.finite);
        }
#endif
    }

#ifdef CLMP_GRADIENT_TRANSPOSED
    if (left >= CLMP_RUN_PIXELS) {
        for (int k = 0; k < CLMP_RUN; ++k)
            clmp_gradient_squares(class_weights, label[k], &f[k], kept + k,
                                  to + clmp_place(0, k, class_stride) CLMP_RANGE_PASS);
        return;
    }
#endif
    if (CLMP_STREAMED(to, class_stride, left))
        clmp_gradient_classes(x, class_stride, class_weights, left, label, f, base, kept, to, 1 CLMP_RANGE_PASS);
    else
        clmp_gradient_classes(x, class_stride, class_weights, left, label, f, base, kept, to, 0 CLMP_RANGE_PASS);
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_gradient(global const clmp_logit *logits, ulong logits_at, ulong image_stride, ulong class_stride,
              ulong row_stride, global const CLMP_LABEL *labels, ulong labels_at, global const float *class_weights,
              long ignore_index, ulong pixels, global const float *plane, ulong plane_at,
              global const clmp_problem *problem, global const uchar *work, ulong pools_at, ulong first_pool,
              ulong pool_step, float scale, global clmp_logit *gradient, ulong gradient_at, ulong maxima_at,
              ulong others_at CLMP_RANGE_ARGUMENTS) {
    const ulong first = (ulong)get_global_id(0) * CLMP_RUN_PIXELS;
    CLMP_RANGE_BEGIN
#ifdef CLMP_RANGE
    /* without a pixel, too, a work-item comes to the end; by min(), as LLVM would make a saturating difference of a
     * comparison, which Oclgrind 21.10 lacks */
    const ulong left = pixels - min(first, pixels);
#else
    if (first >= pixels)
        return;
    const ulong left = pixels - first;
#endif
    const ulong row = get_global_id(1), plane_index = get_global_id(2);
    const ulong begin = (plane_index * get_global_size(1) + row) * pixels + first;
    const ulong corner = clmp_logit_of(plane_index, row, first, image_stride, class_stride, row_stride);
#ifdef CLMP_CHANNELS
    class_weights += plane_index % CLMP_CHANNELS * 2;
    const ulong image = plane_index / CLMP_CHANNELS;
#else
    const ulong image = plane_index;
#endif
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
    global const clmp_pool *pool = pools + first_pool + image * pool_step;
    clmp_gradient_item(logits + logits_at + corner, class_stride, labels + labels_at + begin, class_weights,
                       ignore_index, left, plane + plane_at + begin, pool, problem->slope,
                       scale, pools->image_share, CLMP_IN(const float, work, maxima_at) + begin,
                       CLMP_IN(const float, work, others_at) + begin, gradient + gradient_at + corner CLMP_RANGE_PASS);
    CLMP_RANGE_END
}
