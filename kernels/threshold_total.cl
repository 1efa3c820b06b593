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
