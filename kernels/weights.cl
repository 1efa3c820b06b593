/*
 * weights - the weight of every pixel
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   losses   float32 (pools, pixels), from losses_at on: losses, or marks (layout.clh) where marked
 *   work     workspace, with (pools) clmp_pool from byte pools_at on
 *   weights  float32 (pools, pixels) out, from weights_at on; 0 where a pixel is not valid
 *
 * Grid: (pixels / CLMP_VECTOR rounded up to work-groups, pools).
 */
#include "weigh.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_weights(global const float *losses, ulong losses_at, int marked, ulong pixels, global const clmp_problem *problem,
             global const uchar *work, ulong pools_at, global float *weights, ulong weights_at) {
    const ulong first = (ulong)get_global_id(0) * CLMP_VECTOR;
    if (first >= pixels)
        return;
    const ulong lanes = min(pixels - first, (ulong)CLMP_VECTOR);
    const ulong pool = get_global_id(1);
    const ulong at = pool * pixels + first;
    const UINTV key = clmp_keys(clmp_load(losses + losses_at + at, lanes, -1.0f), marked);
    clmp_store(clmp_weigh(key, CLMP_IS_LOSS(key), CLMP_IN(const clmp_pool, work, pools_at) + pool, problem->slope),
               weights + weights_at + at, lanes);
}
