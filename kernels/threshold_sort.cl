/*
 * threshold, by sort - the paper's way: sorts the losses, scans the sorted losses, and looks sums up in the scan
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A radix sort of the losses' keys (8 bits a pass, least first), then running sums over the sorted keys.  What the
 * search counts into a bin is here a difference of two running sums of integers: the same bits.  Each of `workers`
 * work-items owns a run of `run` pixels of its pool.
 *
 * In the workspace, from byte NAME_at on:
 *   keys      uint (pools, pixels), as is sorted
 *   counters  ulong (pools, 256, workers)
 *   sums      ulong (pools, 2, pixels): mantissas, powers
 *   offsets   ulong (pools, 2, workers)
 */
#define CLMP_VECTOR 1
#include "vector.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

#define CLMP_DIGITS 256
#define CLMP_KERNEL kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void

/* Keys of the losses, as the search takes them.  Grid: (pixels rounded up to work-groups, pools). */
CLMP_KERNEL clmp_sort_keys(global const float *losses, ulong losses_at, int marked, ulong pixels, global uchar *work,
                           ulong keys_at) {
    const ulong i = get_global_id(0);
    if (i >= pixels)
        return;
    const ulong at = get_global_id(1) * pixels + i;
    CLMP_IN(uint, work, keys_at)[at] = clmp_keys(losses[losses_at + at], marked);
}

/* How often each digit occurs in a worker's run.  Grid: (workers rounded up, pools). */
CLMP_KERNEL clmp_sort_count(global uchar *work, ulong keys_at, ulong counters_at, ulong pixels, ulong run,
                            ulong workers, uint shift) {
    global const uint *keys = CLMP_IN(const uint, work, keys_at);
    global ulong *counters = CLMP_IN(ulong, work, counters_at);
    const ulong worker = get_global_id(0);
    const ulong pool = get_global_id(1);
    if (worker >= workers)
        return;
    ulong counts[CLMP_DIGITS];
    for (uint d = 0; d < CLMP_DIGITS; ++d)
        counts[d] = 0;
    const ulong begin = min(worker * run, pixels);
    const ulong end = min(begin + run, pixels);
    for (ulong i = begin; i < end; ++i)
        counts[(keys[pool * pixels + i] >> shift) & (CLMP_DIGITS - 1)] += 1;
    for (uint d = 0; d < CLMP_DIGITS; ++d)
        counters[(pool * CLMP_DIGITS + d) * workers + worker] = counts[d];
}

/*
 * Exclusive running sums of rows of `length` numbers, in place; partial: (rows, CLMP_GROUP) scratch.
 * Grid: (CLMP_GROUP, rows), one work-group a row.
 */
CLMP_KERNEL clmp_sort_scan(global uchar *work, ulong numbers_at, ulong length, ulong partial_at) {
    const ulong row = get_global_id(1);
    const uint item = get_local_id(0);
    global ulong *x = CLMP_IN(ulong, work, numbers_at) + row * length;
    global ulong *sums = CLMP_IN(ulong, work, partial_at) + row * CLMP_GROUP;
    const ulong share = (length + CLMP_GROUP - 1) / CLMP_GROUP;
    const ulong begin = min(item * share, length);
    const ulong end = min(begin + share, length);
    ulong sum = 0;
    for (ulong i = begin; i < end; ++i)
        sum += x[i];
    sums[item] = sum;
    barrier(CLK_GLOBAL_MEM_FENCE);
    ulong before = 0;
    for (uint i = 0; i < item; ++i)
        before += sums[i];
    for (ulong i = begin; i < end; ++i) {
        const ulong here = x[i];
        x[i] = before;
        before += here;
    }
}

/* Moves a worker's keys to their places by digit, in order.  Grid: (workers rounded up, pools). */
CLMP_KERNEL clmp_sort_scatter(global uchar *work, ulong keys_at, ulong counters_at, ulong sorted_at, ulong pixels,
                              ulong run, ulong workers, uint shift) {
    global const uint *keys = CLMP_IN(const uint, work, keys_at);
    global const ulong *counters = CLMP_IN(const ulong, work, counters_at);
    global uint *sorted = CLMP_IN(uint, work, sorted_at);
    const ulong worker = get_global_id(0);
    const ulong pool = get_global_id(1);
    if (worker >= workers)
        return;
    ulong place[CLMP_DIGITS];
    for (uint d = 0; d < CLMP_DIGITS; ++d)
        place[d] = counters[(pool * CLMP_DIGITS + d) * workers + worker];
    const ulong begin = min(worker * run, pixels);
    const ulong end = min(begin + run, pixels);
    for (ulong i = begin; i < end; ++i) {
        const uint key = keys[pool * pixels + i];
        const uint digit = (key >> shift) & (CLMP_DIGITS - 1);
        sorted[pool * pixels + place[digit]] = key;
        place[digit] += 1;
    }
}

/*
 * Exclusive running sums, within each worker's run of the sorted keys, of mantissas and powers; offsets get the totals.
 * Grid: (workers rounded up, pools).
 */
CLMP_KERNEL clmp_sort_sums(global uchar *work, ulong sorted_at, ulong sums_at, ulong offsets_at, ulong pixels,
                           ulong run, ulong workers, uint round, global const clmp_problem *problem) {
    global const uint *sorted = CLMP_IN(const uint, work, sorted_at);
    global ulong *sums = CLMP_IN(ulong, work, sums_at);
    global ulong *offsets = CLMP_IN(ulong, work, offsets_at);
    const ulong worker = get_global_id(0);
    const ulong pool = get_global_id(1);
    if (worker >= workers)
        return;
    const uint tops = (1u << CLMP_CHILD(round)) - 1;
    const float q_log2e = problem->q_log2e;
    const int fraction_bits = problem->fraction_bits;
    ulong mantissas = 0;
    ulong powers = 0;
    const ulong begin = min(worker * run, pixels);
    const ulong end = min(begin + run, pixels);
    for (ulong i = begin; i < end; ++i) {
        const uint key = sorted[pool * pixels + i];
        sums[2 * pool * pixels + i] = mantissas;
        sums[(2 * pool + 1) * pixels + i] = powers;
        mantissas += (key & 0x007fffffu) | 0x00800000u;
        powers += clmp_fixed(as_uint(clmp_power_in_octave(key, key | tops, q_log2e)), fraction_bits);
    }
    offsets[2 * pool * workers + worker] = mantissas;
    offsets[(2 * pool + 1) * workers + worker] = powers;
}

/* How many of the sorted keys are below `key`. */
CLMP_FN ulong clmp_rank(global const uint *sorted, ulong pixels, ulong key) {
    ulong low = 0;
    ulong high = pixels;
    while (low < high) {
        const ulong middle = low + (high - low) / 2;
        if (sorted[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Sum over the first `count` sorted keys, fewer than all. */
CLMP_FN ulong clmp_sum_before(global const ulong *sums, global const ulong *offsets, ulong count, ulong run) {
    return offsets[count / run] + sums[count];
}

/*
 * The bins of a round, from the running sums.  offsets are exclusive sums by now.
 *   bins  (pools, CLMP_BINS) out
 * Grid: (bins rounded up to work-groups, pools).
 */
CLMP_KERNEL clmp_sort_bins(global uchar *work, ulong sorted_at, ulong sums_at, ulong offsets_at, ulong pools_at,
                           ulong bins_at, ulong pixels, ulong run, ulong workers, uint round,
                           global const clmp_problem *problem) {
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
    const uint i = get_global_id(0);
    const ulong pool = get_global_id(1);
    const uint window_bins = CLMP_WINDOW_BINS(round);
    if (i >= CLMP_BINS)
        return;
    global clmp_bin *bin = CLMP_IN(clmp_bin, work, bins_at) + pool * CLMP_BINS + i;
    bin->count = 0;
    bin->mantissas = 0;
    bin->powers = 0;
    uint prefix = 0;
    if (round != 1)
        prefix = i < window_bins ? pools[pool].window[1] : pools[pool].window[0];
    if (prefix == CLMP_NO_WINDOW)
        return;
    const ulong low = ((ulong)prefix << CLMP_PARENT(round)) | ((ulong)(i & (window_bins - 1)) << CLMP_CHILD(round));
    const ulong tops = (1ul << CLMP_CHILD(round)) - 1;
    global const uint *keys = CLMP_IN(const uint, work, sorted_at) + pool * pixels;
    const ulong begin = clmp_rank(keys, pixels, low);
    const ulong end = clmp_rank(keys, pixels, low + tops + 1);
    if (begin == end)
        return;
    /* up to the bin's last key, and that key itself: so no sum beyond the last pixel is looked up */
    const uint last = keys[end - 1];
    bin->count = end - begin;
    bin->mantissas = (last & 0x007fffffu) | 0x00800000u;
    bin->powers =
        clmp_fixed(as_uint(clmp_power_in_octave(last, last | (uint)tops, problem->q_log2e)), problem->fraction_bits);
    global const ulong *mantissas = CLMP_IN(const ulong, work, sums_at) + 2 * pool * pixels;
    global const ulong *powers = mantissas + pixels;
    global const ulong *mantissas_before = CLMP_IN(const ulong, work, offsets_at) + 2 * pool * workers;
    global const ulong *powers_before = mantissas_before + workers;
    bin->mantissas += clmp_sum_before(mantissas, mantissas_before, end - 1, run) -
                      clmp_sum_before(mantissas, mantissas_before, begin, run);
    bin->powers +=
        clmp_sum_before(powers, powers_before, end - 1, run) - clmp_sum_before(powers, powers_before, begin, run);
}
