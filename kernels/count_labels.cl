/*
 * count labels - how many pixels of each class there are
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * clmp_count_labels: each work-group adds a run of a pool's labels to the pool's counts.
 * clmp_add_counts: adds the counts of images to the caller's.
 *
 * The counts of a pool are CLMP_COUNTS(C) numbers of 64 bits: those of the classes, then at C + CLMP_IGNORED,
 * C + CLMP_INVALID_LABEL and C + CLMP_NONFINITE those of the pixels that are not valid (layout.clh).
 */
#define CLMP_VECTOR 1
#include "vector.clh"

#include "counters.clh"

#ifndef CLMP_CLASSES
#define CLMP_CLASSES 19
#endif
#ifndef CLMP_LABEL
#define CLMP_LABEL uchar
#endif
#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif
/* 1: pixels are valid as the plane of losses has it; 0: as their labels are */
#ifndef CLMP_MARKED
#define CLMP_MARKED 0
#endif

/* A work-group counts in local memory where that takes at most 8 KiB. */
#define CLMP_LOCAL_COUNTS CLMP_COUNTS_ARE_LOCAL(CLMP_CLASSES)
#define CLMP_PIECE (1ul << 31) /* pixels that the 32 bits of a work-item's sum can count */

#if CLMP_LOCAL_COUNTS
#define CLMP_PLACE local uint
#define clmp_count(counter, x) clmp_count_local_uint(counter, x)
#else
#define CLMP_PLACE global ulong
#define clmp_count(counter, x) clmp_count_global(counter, x)
#endif

/* The work-item's share of the pixels from `begin` to before `end`.  Neighbours of one class, which most are, are added
 * up before they are counted. */
CLMP_FN void clmp_count_run(global const CLMP_LABEL *labels, global const float *plane, long ignore_index, ulong begin,
                            ulong end, CLMP_PLACE *counts) {
    uint last = 0;
    uint sum = 0;
    for (ulong i = begin + get_local_id(0); i < end; i += CLMP_BIN_GROUP) {
        const long label = (long)labels[i];
        /* one comparison: of the two of a widened int, Mesa 22.3's llvmpipe makes a wrong one */
        uint at = (ulong)label < CLMP_CLASSES ? (uint)label : CLMP_CLASSES + CLMP_INVALID_LABEL;
#if CLMP_MARKED
        const float l = plane[i];
        at = l < 0.0f ? CLMP_CLASSES + (uint)(-l) : at;
#else
        at = label == ignore_index ? CLMP_CLASSES + CLMP_IGNORED : at;
#endif
        if (at != last && sum != 0) {
            clmp_count(counts + last, sum);
            sum = 0;
        }
        last = at;
        sum += 1;
    }
    if (sum != 0)
        clmp_count(counts + last, sum);
}

/*
 *   labels  CLMP_LABEL (pools, pixels), from labels_at on
 *   plane   float32 (pools, pixels), from plane_at on: losses, or marks                        (with CLMP_MARKED)
 *   counts  ulong (pools, CLMP_COUNTS(C)), in work from byte counts_at on; 0 to begin with
 *   run     pixels of a work-group
 * Grid: (work-groups of a pool * CLMP_BIN_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_count_labels(global const CLMP_LABEL *labels, ulong labels_at, global const float *plane, ulong plane_at,
                  long ignore_index, ulong pixels, ulong run, global uchar *work, ulong counts_at) {
    const ulong pool = get_global_id(1);
    const ulong begin = min(get_group_id(0) * run, pixels);
    const ulong end = min(begin + run, pixels);
    global ulong *counts = CLMP_IN(ulong, work, counts_at) + pool * CLMP_COUNTS(CLMP_CLASSES);
    labels += labels_at + pool * pixels;
    plane += plane_at + pool * pixels;
#if CLMP_LOCAL_COUNTS
    local uint counted[CLMP_COUNTS(CLMP_CLASSES)];
    for (ulong at = begin; at < end; at += CLMP_PIECE) {
        for (uint i = get_local_id(0); i < CLMP_COUNTS(CLMP_CLASSES); i += CLMP_BIN_GROUP)
            counted[i] = 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        clmp_count_run(labels, plane, ignore_index, at, min(at + CLMP_PIECE, end), counted);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = get_local_id(0); i < CLMP_COUNTS(CLMP_CLASSES); i += CLMP_BIN_GROUP)
            if (counted[i] != 0)
                clmp_count_global(counts + i, counted[i]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#else
    for (ulong at = begin; at < end; at += CLMP_PIECE)
        clmp_count_run(labels, plane, ignore_index, at, min(at + CLMP_PIECE, end), counts);
#endif
}

/*
 *   work    as above, pools being images
 *   totals  ulong (CLMP_LABEL_COUNTS(C)) in and out, from totals_at on: as the public header says
 * Grid: (C + 3 rounded up to work-groups, 1).
 */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void clmp_add_counts(global const uchar *work,
                                                                                    ulong counts_at, ulong images,
                                                                                    ulong pixels, global ulong *totals,
                                                                                    ulong totals_at) {
    const ulong at = get_global_id(0);
    if (at >= CLMP_CLASSES + 3)
        return;
    global const ulong *counts = CLMP_IN(const ulong, work, counts_at);
    global ulong *total = totals + totals_at;
    ulong sum = 0, beside = 0;
    for (ulong i = 0; i < images; ++i, counts += CLMP_COUNTS(CLMP_CLASSES)) {
        const ulong ignored = counts[CLMP_CLASSES + CLMP_IGNORED];
        const ulong invalid = counts[CLMP_CLASSES + CLMP_INVALID_LABEL];
        if (at < CLMP_CLASSES) {
            sum += counts[at];
            beside += counts[at] != 0 ? pixels - ignored - invalid : 0;
        } else {
            sum += at == CLMP_CLASSES ? ignored : at == CLMP_CLASSES + 1 ? invalid : 1;
        }
    }
    if (at < CLMP_CLASSES) {
        total[at] += sum;
        total[CLMP_CLASSES + at] += beside;
    } else {
        total[CLMP_CLASSES + at] += sum;
    }
}
