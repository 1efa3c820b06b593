/*
 * normalise - of a weighting's mean by the sum of class weights
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * clmp_normalise_count: each work-group adds a run of a pool's pixels to the counts of their weights.
 * clmp_normalise_result: those make the pool's weights and loss anew: normalise.clh.
 *
 * Macros of the problem:
 *   CLMP_SHARES    which pixels have a share: normalise.clh
 *   CLMP_CHANNELS  where class weights are those of channels, and not of labels: their number
 */
#define CLMP_VECTOR 1
#include "vector.clh"

#include "counters.clh"
#include "real.clh"
#include "select.clh"

#include "normalise.clh"

#ifndef CLMP_LABEL
#define CLMP_LABEL uchar
#endif
#ifndef CLMP_SHARES
#define CLMP_SHARES CLMP_SHARES_ALL
#endif

/*
 *   labels        CLMP_LABEL (pools, pixels), from labels_at on
 *   plane         float32 (pools, pixels), from plane_at on: losses, or how often pixels were drawn; or marks
 *   plane_pixels  pixels of a channel
 *   classes       class weights
 *   work          workspace, with (pools) clmp_pool from byte pools_at on, and ulong (pools, 2, classes) from byte
 *                 counts_at on; 0 to begin with
 *   run           pixels of a work-group
 * Grid: (work-groups of a pool * CLMP_BIN_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_normalise_count(global const CLMP_LABEL *labels, ulong labels_at, global const float *plane, ulong plane_at,
                     ulong plane_pixels, ulong classes, ulong pixels, ulong run, global uchar *work, ulong pools_at,
                     ulong counts_at) {
    const ulong index = get_global_id(1);
    const ulong begin = min(get_group_id(0) * run, pixels), end = min(begin + run, pixels);
    const uint v = CLMP_IN(const clmp_pool, work, pools_at)[index].v;
    global ulong *counts = CLMP_IN(ulong, work, counts_at) + index * 2 * classes;
    ulong last = 0, sum = 0; /* neighbours of one class, which most are, are added up before they are counted */
    for (ulong i = begin + get_local_id(0); i < end; i += CLMP_BIN_GROUP) {
        const ulong pixel = index * pixels + i;
        const float value = plane[plane_at + pixel];
        if (value < 0.0f)
            continue;
#ifdef CLMP_CHANNELS
        ulong at = pixel / plane_pixels % CLMP_CHANNELS;
#else
        ulong at = (ulong)labels[labels_at + pixel];
#endif
        ulong times = 1;
#if CLMP_SHARES == CLMP_SHARES_DRAWN
        times = (ulong)value;
#elif CLMP_SHARES == CLMP_SHARES_TOP
        const uint key = clmp_keys(value, 1);
        times = key >= v ? 1 : 0;
        at += key == v ? classes : 0;
#endif
        if (at != last) {
            if (sum != 0)
                clmp_count_global(counts + last, sum);
            last = at;
            sum = 0;
        }
        sum += times;
    }
    if (sum != 0)
        clmp_count_global(counts + last, sum);
}

/*
 *   class_weights  float32 (classes)
 *   records        (pools), in the caller's result from byte records_at on
 *   draws_at       byte of the workspace with (pools) clmp_draw           (with CLMP_SHARES_DRAWN)
 * Grid: (1, pools).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
clmp_normalise_result(global uchar *work, ulong pools_at, ulong counts_at, ulong draws_at,
                      global const float *class_weights, ulong classes, global uchar *result, ulong records_at) {
    const ulong index = get_global_id(1);
    global clmp_pool *pool = CLMP_IN(clmp_pool, work, pools_at) + index;
    ulong most = 1;
#if CLMP_SHARES == CLMP_SHARES_DRAWN
    most = CLMP_IN(const clmp_draw, work, draws_at)[index].most;
#endif
    clmp_normalise_solve(CLMP_SHARES, classes, CLMP_IN(const ulong, work, counts_at) + index * 2 * classes,
                         class_weights, most, pool);
    clmp_record_finish(pool, CLMP_IN(clmp_record, result, records_at) + index);
}
