/*
 * threshold, by search - sorts losses into bins of integers, which corner alpha in three rounds
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * clmp_threshold_fill: each work-group fills a set of bins of its own with a run of a pool's pixels.
 * clmp_threshold_reduce: adds the sets up.
 * Then clmp_threshold_select (threshold_select.cl) reads the bins and sets the windows of the next round.
 */
#include "vector.clh"

/* Work-items that fill a set of bins together.  1: plain sums; else 32-bit atomics, which every device has. */
#ifndef CLMP_BIN_GROUP
#define CLMP_BIN_GROUP 1
#endif
#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

#if CLMP_BIN_GROUP == 1
CLMP_FN void clmp_add(global ulong *sum, ulong x) {
    *sum += x;
}
#else
/* A 64-bit sum in two 32-bit atomics: every wrap of the low word is seen by exactly one adder, which carries it. */
CLMP_FN void clmp_add(global ulong *sum, ulong x) {
    volatile global uint *word = (volatile global uint *)sum; /* low word first: the host asks for little endian */
    const uint low = (uint)x;
    const uint old = atomic_add(word, low);
    const uint high = (uint)(x >> 32) + (old + low < old ? 1u : 0u);
    if (high != 0)
        atomic_add(word + 1, high);
}
#endif

/*
 *   losses  float32 (pools, pixels), from losses_at on: losses, or marks where marked
 *   pools   (pools), in work from byte pools_at on
 *   sets    (pools, work-groups along dimension 0, CLMP_BINS) out, in work from byte sets_at on
 *   run     pixels of a work-group, a multiple of CLMP_VECTOR * CLMP_BIN_GROUP
 * Grid: (sets of a pool * CLMP_BIN_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_threshold_fill(global const float *losses, ulong losses_at, int marked, ulong pixels, ulong run, uint round,
                    global const clmp_problem *problem, global uchar *work, ulong pools_at, ulong sets_at) {
    const uint item = get_local_id(0);
    const ulong pool = get_global_id(1);
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
    global clmp_bin *bins = CLMP_IN(clmp_bin, work, sets_at) + (pool * get_num_groups(0) + get_group_id(0)) * CLMP_BINS;

    const uint window_bins = CLMP_ROUND_WINDOW_BINS(round);
    const uint bin_count = CLMP_ROUND_WINDOWS(round) * window_bins;
    for (uint i = item; i < bin_count; i += CLMP_BIN_GROUP) {
        bins[i].count = 0;
        bins[i].mantissas = 0;
        bins[i].powers = 0;
    }
    barrier(CLK_GLOBAL_MEM_FENCE);

    const uint parent = CLMP_PARENT(round);
    const uint child = CLMP_CHILD(round);
    const uint upper = round == 1 ? 0 : pools[pool].window[0];
    const uint lower = round == 1 ? CLMP_NO_WINDOW : pools[pool].window[1];
    const uint upper_bins = (CLMP_ROUND_WINDOWS(round) - 1) * window_bins; /* where the upper window's bins start */
    const uint tops = (1u << child) - 1;
    const float q_log2e = problem->q_log2e;
    const int fraction_bits = problem->fraction_bits;

    const ulong begin = get_group_id(0) * run;
    const ulong end = min(begin + run, pixels);
    for (ulong first = begin + item * CLMP_VECTOR; first < end; first += CLMP_BIN_GROUP * CLMP_VECTOR) {
        const ulong lanes = min(end - first, (ulong)CLMP_VECTOR);
        const UINTV key = clmp_keys(clmp_load(losses + losses_at + pool * pixels + first, lanes, -1.0f), marked);
        const UINTV prefix = key >> (UINTV)parent;
        const INTV in_upper = (INTV)(prefix == (UINTV)upper);
        const INTV in_lower = (INTV)(prefix == (UINTV)lower);
        if (!CLMP_ANY(in_upper | in_lower))
            continue;
        UINTV bin = (key >> (UINTV)child) & (UINTV)(window_bins - 1);
        bin = select((UINTV)CLMP_NO_WINDOW, bin, in_lower);
        bin = select(bin, ((key >> (UINTV)child) & (UINTV)(window_bins - 1)) + (UINTV)upper_bins, in_upper);
        const FLOATV power = clmp_power_in_octave(key, key | (UINTV)tops, q_log2e);

        uint bin_of[CLMP_VECTOR], mantissa_of[CLMP_VECTOR], power_of[CLMP_VECTOR];
        CLMP_VSTORE(bin, bin_of);
        CLMP_VSTORE((key & (UINTV)0x007fffff) | (UINTV)0x00800000, mantissa_of);
        CLMP_VSTORE(AS_UINTV(power), power_of);
        for (uint i = 0; i < lanes; ++i) {
            if (bin_of[i] == CLMP_NO_WINDOW)
                continue;
            global clmp_bin *b = bins + bin_of[i];
            clmp_add(&b->count, 1);
            clmp_add(&b->mantissas, mantissa_of[i]);
            clmp_add(&b->powers, clmp_fixed(power_of[i], fraction_bits));
        }
    }
}

/*
 *   sets  (pools, set_count, CLMP_BINS), in work from byte sets_at on
 *   bins  (pools, CLMP_BINS) out, in work from byte bins_at on
 * Grid: (bins rounded up to work-groups, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_threshold_reduce(global uchar *work, ulong sets_at, uint set_count, uint round, ulong bins_at) {
    global const clmp_bin *sets = CLMP_IN(const clmp_bin, work, sets_at);
    global clmp_bin *bins = CLMP_IN(clmp_bin, work, bins_at);
    const uint i = get_global_id(0);
    const ulong pool = get_global_id(1);
    if (i >= CLMP_ROUND_WINDOWS(round) * CLMP_ROUND_WINDOW_BINS(round))
        return;
    clmp_bin sum = {0, 0, 0};
    for (uint set = 0; set < set_count; ++set) {
        global const clmp_bin *b = sets + (pool * set_count + set) * CLMP_BINS + i;
        sum.count += b->count;
        sum.mantissas += b->mantissas;
        sum.powers += b->powers;
    }
    bins[pool * CLMP_BINS + i] = sum;
}
