/*
 * threshold, of online hard example mining - finds the loss above which pixels are kept
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * In the place of clmp_threshold_select (threshold_select.cl), with its arguments: what fills the bins and sums them up
 * is the same.
 */
#define CLMP_VECTOR 1
#include "ohem.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/*
 *   bins, pools, segments  as in threshold_select.cl
 *   records                (pools) out, in the caller's result from byte records_at on
 * Grid: (CLMP_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_ohem_select(global uchar *work, ulong bins_at, ulong pools_at, ulong segments_at,
                 global const clmp_problem *problem, global uchar *result, ulong records_at, ulong pixels, uint round) {
    const ulong index = get_global_id(1);
    global clmp_pool *pool = CLMP_IN(clmp_pool, work, pools_at) + index;
    if (get_local_id(0) != 0 || (round != 1 && pool->solved != 0))
        return;
    clmp_ohem_choose(round, pixels, CLMP_IN(const clmp_bin, work, bins_at) + index * CLMP_BINS, problem, pool,
                     CLMP_IN(const clmp_segment, work, segments_at) + index * CLMP_SEGMENTS,
                     CLMP_IN(clmp_record, result, records_at) + index);
}
