/*
 * threshold, reading the bins - finds the bins that alpha lies in, and in the last round alpha itself
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * clmp_threshold_sum: adds sets of bins up, and the bins of each segment.
 * clmp_threshold_select: one work-group a pool goes on from there.
 * The steps and the order of every sum are those of select.clh, whatever the work-group's size.
 */
#define CLMP_VECTOR 1
#include "select.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/* Segments of a work-group of clmp_threshold_sum: a work-item for each bin, where it has that many. */
#define CLMP_GROUP_SEGMENTS (CLMP_GROUP < CLMP_SEGMENT_BINS ? 1 : CLMP_GROUP / CLMP_SEGMENT_BINS)

/*
 *   sets      (pools, set_count, CLMP_BINS), in work from byte sets_at on; may be the bins, where set_count is 1
 *   bins      (pools, CLMP_BINS) out, from byte bins_at on
 *   pools     (pools), from byte pools_at on
 *   segments  (pools, CLMP_SEGMENTS) out, from byte segments_at on
 * Grid: (CLMP_SEGMENTS / CLMP_GROUP_SEGMENTS work-groups, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_threshold_sum(global uchar *work, ulong sets_at, uint set_count, ulong bins_at, ulong pools_at, ulong segments_at,
                   global const clmp_problem *problem, uint round) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    global const clmp_pool *pool = CLMP_IN(const clmp_pool, work, pools_at) + index;
    global const clmp_bin *sets = CLMP_IN(const clmp_bin, work, sets_at) + index * set_count * CLMP_BINS;
    global clmp_bin *bins = CLMP_IN(clmp_bin, work, bins_at) + index * CLMP_BINS;
    global clmp_segment *segments = CLMP_IN(clmp_segment, work, segments_at) + index * CLMP_SEGMENTS;
    const uint segment = get_group_id(0) * CLMP_GROUP_SEGMENTS;
    const uint segment_end = min(segment + CLMP_GROUP_SEGMENTS, (uint)CLMP_SEGMENTS);

    for (uint i = segment * CLMP_SEGMENT_BINS + item; i < segment_end * CLMP_SEGMENT_BINS; i += CLMP_GROUP) {
        clmp_bin sum = sets[i];
        for (uint set = 1; set < set_count; ++set) {
            global const clmp_bin *b = sets + set * CLMP_BINS + i;
            sum.count += b->count;
            sum.mantissas += b->mantissas;
            sum.powers += b->powers;
        }
        bins[i] = sum;
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (uint i = segment + item; i < segment_end; i += CLMP_GROUP)
        clmp_segment_sum(round, i, bins, problem, pool, segments);
}

/*
 *   bins, pools, segments  as above; pools in and out
 *   records                (pools) out, in the caller's result from byte records_at on
 * Grid: (CLMP_GROUP, pools).
 */
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
    const uint count = idle ? 0 : CLMP_SEGMENTS;

    for (uint i = item; i < count; i += CLMP_GROUP)
        clmp_segment_decay(round, i, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    if (item == 0 && count != 0)
        clmp_segments_scan(round, pixels, bins, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (uint i = item; i < count; i += CLMP_GROUP)
        clmp_segment_test(i, problem, pool, segments);
    barrier(CLK_GLOBAL_MEM_FENCE);
    if (item == 0 && count != 0) {
        if (pool->solved)
            clmp_solve_slack(problem, pool, record);
        else
            clmp_segments_choose(round, bins, problem, pool, segments, record);
        if (pool->solved || round == CLMP_ROUNDS)
            clmp_record_finish(pool, record);
    }
}
