/*
 * threshold, the total of all images - scope image only
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define CLMP_VECTOR 1
#include "select.clh"

/* Record 0 from the images' records.  Grid: (1). */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
clmp_threshold_total(ulong images, global uchar *work, ulong pools_at, global uchar *result, ulong records_at) {
    clmp_total(images, CLMP_IN(clmp_pool, work, pools_at), CLMP_IN(clmp_record, result, records_at));
}

/*
 * Where there are ranks: record 0, which has the counts of all ranks, from the losses of all images, of which so many have
 * a valid pixel.  Grid: (1).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
clmp_threshold_total_of_ranks(global const clmp_real *losses, ulong images, ulong with_valid, global uchar *work,
                              ulong pools_at, global uchar *result, ulong records_at) {
    global clmp_record *total = CLMP_IN(clmp_record, result, records_at);
    clmp_real sum = clmp_real_zero();
    for (ulong i = 0; i < images; ++i)
        sum = clmp_real_add(sum, losses[i]);
    clmp_total_loss(sum, with_valid, CLMP_IN(clmp_pool, work, pools_at), total);
    total->alpha = images == 1 ? total->alpha : 0.0f;
    total->tau = images == 1 ? total->tau : 0.0f;
}
