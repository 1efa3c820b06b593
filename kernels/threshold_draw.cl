/*
 * threshold, of drawn pixels - decides how often each pixel is drawn, and sums what is drawn
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two weightings use it.  Balanced: each pixel is drawn by chance, so that the classes get the same number of draws.
 * Online hard example mining with class weights (CLMP_DRAW_HARD): the threshold is one of unweighted losses, so that
 * the sum of the weighted ones is taken here.
 *
 *   plane   float32 (pools, pixels), from plane_at on: losses, or marks; with CLMP_DRAW_HARD unweighted ones
 *   counts  ulong (pools, CLMP_COUNTS(C)), in work from byte counts_at on: what count_labels.cl wrote
 *   shares  (pools, C) out, from byte shares_at on
 *   draws   (pools) out, from byte draws_at on; 0 to begin with
 *   drawn   float32 (pools, pixels) out, from drawn_at on: how often each pixel is drawn, or its mark
 */
#define CLMP_VECTOR 1
#include "vector.clh"

#include "draw.clh"

#include "counters.clh"
#include "select.clh"

#ifndef CLMP_CLASSES
#define CLMP_CLASSES 19
#endif
#ifndef CLMP_LABEL
#define CLMP_LABEL uchar
#endif
#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif
#ifndef CLMP_DRAW_HARD
#define CLMP_DRAW_HARD 0
#endif

/* The pool's counts, and the share of each class.  Grid: (CLMP_GROUP, pools), one work-group a pool. */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void clmp_draw_shares(global uchar *work,
                                                                                     ulong counts_at, ulong shares_at,
                                                                                     ulong draws_at, ulong pools_at,
                                                                                     ulong pixels, uint sampling) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    global const ulong *counts = CLMP_IN(const ulong, work, counts_at) + index * CLMP_COUNTS(CLMP_CLASSES);
    global clmp_share *shares = CLMP_IN(clmp_share, work, shares_at) + index * CLMP_CLASSES;
    global clmp_draw *draw = CLMP_IN(clmp_draw, work, draws_at) + index;
    local ulong valid[CLMP_GROUP], present[CLMP_GROUP], fewest[CLMP_GROUP], most[CLMP_GROUP];
    ulong sum = 0, classes = 0, low = ~0ul, high = 0;
    for (uint c = item; c < CLMP_CLASSES; c += CLMP_GROUP) {
        const ulong count = counts[c];
        sum += count;
        classes += count != 0 ? 1 : 0;
        low = count != 0 ? min(low, count) : low;
        high = max(high, count);
    }
    valid[item] = sum;
    present[item] = classes;
    fewest[item] = low;
    most[item] = high;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint others = CLMP_GROUP / 2; others > 0; others /= 2) { /* CLMP_GROUP: a power of two */
        if (item < others) {
            valid[item] += valid[item + others];
            present[item] += present[item + others];
            fewest[item] = min(fewest[item], fewest[item + others]);
            most[item] = max(most[item], most[item + others]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0) {
        clmp_draw_quota(sampling, valid[0], present[0], fewest[0], most[0], draw);
        clmp_draw_pool(pixels, valid[0], counts + CLMP_CLASSES, CLMP_IN(clmp_pool, work, pools_at) + index);
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (uint c = item; c < CLMP_CLASSES; c += CLMP_GROUP)
        clmp_draw_share(draw, counts[c], shares + c);
}

/*
 *   labels         CLMP_LABEL (pools, pixels), from labels_at on
 *   class_weights  float32 (C), with CLMP_CHANNELS (C, 2), of planes of plane_pixels        (with CLMP_DRAW_HARD)
 *   losses         float32 (pools, pixels) out, from losses_at on: weighted ones, or 0      (where store_losses)
 *   run            pixels of a work-group
 *   first_index    of the first pixel in the batch of all ranks
 * Grid: (work-groups of a pool * CLMP_BIN_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_draw_pixels(global const CLMP_LABEL *labels, ulong labels_at, global const float *plane, ulong plane_at,
                 global const float *class_weights, ulong plane_pixels, ulong pixels, ulong run, ulong seed, ulong step,
                 ulong first_index, global uchar *work, ulong shares_at, ulong draws_at, ulong pools_at, global float *drawn,
                 ulong drawn_at, global float *losses, ulong losses_at, int store_losses) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    const ulong base = index * pixels;
    const ulong begin = base + min(get_group_id(0) * run, pixels);
    const ulong end = base + min(get_group_id(0) * run + run, pixels);
    global clmp_draw *draw = CLMP_IN(clmp_draw, work, draws_at) + index;
#if CLMP_DRAW_HARD
    global const clmp_pool *pool = CLMP_IN(const clmp_pool, work, pools_at) + index;
    const uint v = pool->v;
    const int all = pool->at_zero != 0.0f;
#else
    global const clmp_share *shares = CLMP_IN(const clmp_share, work, shares_at) + index * CLMP_CLASSES;
#endif
    local ulong bins[CLMP_DRAW_BINS];
    for (uint i = item; i < CLMP_DRAW_BINS; i += CLMP_BIN_GROUP)
        bins[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);

    ulong draws = 0, drawn_pixels = 0;
#if CLMP_BIN_GROUP > 1
    uint last = 0; /* neighbours in one bin are added up before the atomics */
    ulong sum = 0;
#endif
    for (ulong block = begin + item; block < end; block += CLMP_DRAW_WIDTH * CLMP_BIN_GROUP) {
#if !CLMP_DRAW_HARD
        ulong random[CLMP_DRAW_WIDTH];
#if CLMP_DRAW_WIDTH == 1
        random[0] = clmp_philox(seed, step, first_index + block);
#else
        const ulong8 lane = (ulong8)(0, 1, 2, 3, 4, 5, 6, 7) * (ulong8)CLMP_BIN_GROUP;
        vstore8(clmp_philox(seed, step, lane + (ulong8)(first_index + block)), 0, random);
#endif
#endif
        for (uint k = 0; k < CLMP_DRAW_WIDTH && block + k * CLMP_BIN_GROUP < end; ++k) {
            const ulong i = block + k * CLMP_BIN_GROUP;
            float loss = plane[plane_at + i];
            float times = loss; /* a mark */
            if (loss >= 0.0f) {
#if CLMP_DRAW_HARD
                const uint key = clmp_keys(loss, 1);
                const uint r = key > v || all ? 1 : 0;
#ifdef CLMP_CHANNELS
                const ulong of = i / plane_pixels % CLMP_CHANNELS * 2;
#else
                const ulong of = 0;
#endif
                loss *= class_weights[of + labels[labels_at + i]];
                loss = loss < 0x1.fffffep127f ? loss : 0x1.fffffep127f; /* as clmp_limit(), of one number */
                loss = loss < CLMP_TINY ? 0.0f : loss;
#else
                const uint r = clmp_draws(shares + labels[labels_at + i], random[k]);
#endif
                times = (float)r; /* below 2^24: exact */
                draws += r;
                drawn_pixels += r != 0 ? 1 : 0;
                const uint bits = as_uint(loss);
                const uint bin = bits >> 23;
#if CLMP_BIN_GROUP > 1
                if (bin != last) {
                    if (sum != 0)
                        clmp_count_local(bins + last, sum);
                    last = bin;
                    sum = 0;
                }
                sum += (ulong)r * ((bits & 0x007fffffu) | 0x00800000u);
#else /* where an addition is less than a wrong guess */
                bins[bin] += (ulong)r * ((bits & 0x007fffffu) | 0x00800000u);
#endif
            }
            drawn[drawn_at + i] = times;
            if (store_losses)
                losses[losses_at + i] = loss > 0.0f ? loss : 0.0f;
        }
    }
#if CLMP_BIN_GROUP > 1
    if (sum != 0)
        clmp_count_local(bins + last, sum);
#endif
    if (draws != 0) {
        clmp_count_global(&draw->drawn, draws);
        clmp_count_global(&draw->pixels, drawn_pixels);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = item; i < CLMP_DRAW_BINS; i += CLMP_BIN_GROUP)
        if (bins[i] != 0)
            clmp_count_global(draw->mantissas + i, bins[i]);
}

/*
 *   pools    (pools), in work from byte pools_at on
 *   records  (pools) out, in the caller's result from byte records_at on
 * The exponents' sums are added up in pairs, level by level.  Grid: (CLMP_GROUP, pools), one work-group a pool.
 */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_draw_result(global uchar *work, ulong draws_at, ulong pools_at, global uchar *result, ulong records_at) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    global clmp_draw *draw = CLMP_IN(clmp_draw, work, draws_at) + index;
    global clmp_pool *pool = CLMP_IN(clmp_pool, work, pools_at) + index;
    global clmp_record *record = CLMP_IN(clmp_record, result, records_at) + index;
    local clmp_real sums[CLMP_DRAW_NODES];
    for (uint i = item; i < CLMP_DRAW_NODES; i += CLMP_GROUP)
        sums[i] = clmp_real_add(clmp_draw_sum(draw, 2 * i), clmp_draw_sum(draw, 2 * i + 1));
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint span = 1; span < CLMP_DRAW_NODES; span *= 2) {
        for (uint i = item * 2 * span; i < CLMP_DRAW_NODES; i += CLMP_GROUP * 2 * span)
            sums[i] = clmp_real_add(sums[i], sums[i + span]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0) {
#if CLMP_DRAW_HARD
        draw->most = draw->drawn != 0 ? 1 : 0;
#else
        record->alpha = 0.0f;
#endif
        clmp_draw_solve(sums[0], draw, pool, record);
        clmp_record_finish(pool, record);
    }
}
