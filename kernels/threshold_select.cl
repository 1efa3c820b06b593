/*
 * threshold, reading the bins - one work-group a pool finds the bins that alpha lies in, and in the last round alpha
 * itself
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The steps and the order of every sum are those of select.clh, whatever the work-group's size.
 *
 *   bins      (pools, CLMP_BINS), in work from byte bins_at on
 *   pools     (pools) in and out, from byte pools_at on
 *   segments  (pools, CLMP_SEGMENTS) scratch, from byte segments_at on
 *   records   (pools) out, in the caller's result from byte records_at on
 *
 * Grid: (CLMP_GROUP, pools).
 */
#define CLMP_VECTOR 1
#include "select.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_threshold_select(global uchar *work, ulong bins_at, ulong pools_at, ulong segments_at,
                      global const clmp_problem *problem, global uchar *result, ulong records_at, ulong pixels,
                      uint round) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    global clmp_pool *pool = CLMP_IN(clmp_pool, work, pools_at) + index;
    global const clmp_bin *bins = CLMP_IN(const clmp_bin, work, bins_at) + index * CLMP_BINS;
    global clmp_segment *segments = CLMP_IN(clmp_segment, work, segments_at) + index * CLMP_SEGMENTS;
    global clmp_record *record = CLMP_IN(clmp_record, result, records_at) + index;
    /* a pool that round one solved has no bins left to read; every work-item still meets every barrier */
    const int idle = round != 1 && pool->solved != 0;
    const uint count = idle ? 0 : CLMP_ROUND_WINDOWS(round) * CLMP_ROUND_WINDOW_BINS(round) / CLMP_SEGMENT_BINS(round);

    for (uint i = item; i < count; i += CLMP_GROUP)
        clmp_segment_sum(round, i, bins, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (uint i = item; i < count; i += CLMP_GROUP)
        clmp_segment_decay(round, i, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    if (item == 0 && count != 0)
        clmp_segments_scan(round, count, pixels, bins, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (uint i = item; i < count; i += CLMP_GROUP)
        clmp_segment_test(i, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    if (item == 0 && count != 0) {
        if (pool->solved)
            clmp_solve_slack(problem, pool, record);
        else
            clmp_segments_choose(round, count, bins, problem, pool, segments, record);
        if (pool->solved || round == CLMP_ROUNDS)
            clmp_record_finish(pool, record);
    }
}

/* Scope image: record 0 from the images' records.  Grid: (1). */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
clmp_threshold_total(ulong images, global uchar *work, ulong pools_at, global uchar *result, ulong records_at) {
    clmp_total(images, CLMP_IN(clmp_pool, work, pools_at), CLMP_IN(clmp_record, result, records_at));
}
