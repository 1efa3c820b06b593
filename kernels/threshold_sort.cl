/*
 * threshold, by sort - the paper's way: sorts the losses, and looks ranges of the sorted losses up
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A radix sort of the losses' keys (8 bits a pass, least first): each work-group counts the digits of a run of pixels,
 * then moves them to where its digits of that value begin.  What the search counts into a bin is here a difference of two
 * ranks, and a sum over the sorted keys between them, of integers: the same bits.  These sums are taken from sums over
 * blocks of keys, and over pieces of many blocks, so that each bin adds up few numbers.
 *
 *   CLMP_BIN_GROUP  work-items of a work-group, a power of two; 1: no atomics, and keys are moved one after the other
 *
 * In the workspace, from byte NAME_at on:
 *   keys      uint (pools, pixels), as is sorted
 *   counters  ulong (pools, CLMP_DIGITS, chunks): keys of a digit, then those in earlier chunks
 *   totals    ulong (pools, CLMP_DIGITS): keys of a digit
 *   blocks    ulong2 (pools, pixels / CLMP_SORT_BLOCK), pieces ulong2 (pools, pixels / CLMP_SORT_PIECE): mantissas, powers
 */
#define CLMP_VECTOR 1
#include "vector.clh"

#include "bins.clh"
#include "counters.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

#define CLMP_GROUP_KERNEL kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void

/* PoCL 3.1 loses what a function that it does not inline writes to local memory. */
#define CLMP_INLINE CLMP_FN __attribute__((always_inline))

CLMP_FN uint clmp_digit(uint key, uint shift) {
    return (key >> shift) & (CLMP_DIGITS - 1);
}

/* Sum of x over the work-items before this one, and over all.  sums: CLMP_BIN_GROUP numbers, free again afterwards. */
CLMP_INLINE ulong clmp_group_scan(uint item, ulong x, local ulong *sums, ulong *total) {
    sums[item] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint apart = 1; apart < CLMP_BIN_GROUP; apart *= 2) {
        const ulong more = item >= apart ? sums[item - apart] : 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        sums[item] += more;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const ulong before = sums[item] - x;
    *total = sums[CLMP_BIN_GROUP - 1];
    barrier(CLK_LOCAL_MEM_FENCE);
    return before;
}

/* Keys of the losses, as the search takes them.  Grid: (pixels rounded up to work-groups, pools). */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void clmp_sort_keys(global const float *losses,
                                                                                   ulong losses_at, int marked,
                                                                                   ulong pixels, global uchar *work,
                                                                                   ulong keys_at) {
    const ulong i = get_global_id(0);
    if (i >= pixels)
        return;
    const ulong at = get_global_id(1) * pixels + i;
    CLMP_IN(uint, work, keys_at)[at] = clmp_keys(losses[losses_at + at], marked);
}

/* How often each digit occurs in a chunk of `run` pixels.  Grid: (chunks * CLMP_BIN_GROUP, pools). */
CLMP_GROUP_KERNEL clmp_sort_count(global uchar *work, ulong keys_at, ulong counters_at, ulong pixels, ulong run,
                                  uint shift) {
    const uint item = get_local_id(0);
    const ulong chunk = get_group_id(0), chunks = get_num_groups(0);
    global const uint *keys = CLMP_IN(const uint, work, keys_at) + get_global_id(1) * pixels;
    global ulong *counters = CLMP_IN(ulong, work, counters_at) + get_global_id(1) * CLMP_DIGITS * chunks;
    local ulong counts[CLMP_DIGITS];
    for (uint d = item; d < CLMP_DIGITS; d += CLMP_BIN_GROUP)
        counts[d] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    const ulong begin = min(chunk * run, pixels), end = min(begin + run, pixels);
    for (ulong i = begin + item; i < end; i += CLMP_BIN_GROUP)
        clmp_count_local(counts + clmp_digit(keys[i], shift), 1);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint d = item; d < CLMP_DIGITS; d += CLMP_BIN_GROUP)
        counters[d * chunks + chunk] = counts[d];
}

/* Of each digit, the keys in earlier chunks, in place; and in all.  Grid: (CLMP_DIGITS * CLMP_BIN_GROUP, pools). */
CLMP_GROUP_KERNEL clmp_sort_scan(global uchar *work, ulong counters_at, ulong totals_at, ulong chunks) {
    const uint item = get_local_id(0);
    const ulong row = get_global_id(1) * CLMP_DIGITS + get_group_id(0);
    global ulong *counters = CLMP_IN(ulong, work, counters_at) + row * chunks;
    const ulong share = (chunks + CLMP_BIN_GROUP - 1) / CLMP_BIN_GROUP;
    const ulong begin = min(item * share, chunks), end = min(begin + share, chunks);
    local ulong sums[CLMP_BIN_GROUP];
    ulong sum = 0, total;
    for (ulong i = begin; i < end; ++i)
        sum += counters[i];
    ulong before = clmp_group_scan(item, sum, sums, &total);
    for (ulong i = begin; i < end; ++i) {
        const ulong here = counters[i];
        counters[i] = before;
        before += here;
    }
    if (item == 0)
        CLMP_IN(ulong, work, totals_at)[row] = total;
}

/* Where the next key of each digit of a chunk goes. */
CLMP_INLINE void clmp_sort_places(uint item, ulong chunk, ulong chunks, global const ulong *counters,
                                  global const ulong *totals, local ulong *sums, local ulong *places) {
    const uint share = CLMP_BIN_GROUP < CLMP_DIGITS ? CLMP_DIGITS / CLMP_BIN_GROUP : 1;
    const uint begin = min(item * share, (uint)CLMP_DIGITS), end = min(begin + share, (uint)CLMP_DIGITS);
    ulong sum = 0, total;
    for (uint d = begin; d < end; ++d)
        sum += totals[d];
    ulong before = clmp_group_scan(item, sum, sums, &total);
    for (uint d = begin; d < end; ++d) {
        places[d] = before + counters[d * chunks + chunk];
        before += totals[d];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

#if CLMP_BIN_GROUP == 1
CLMP_INLINE void clmp_sort_move(uint item, global const uint *keys, ulong begin, ulong end, uint shift,
                                local ulong *places, global uint *sorted) {
    for (ulong i = begin; i < end; ++i) {
        const uint key = keys[i], digit = clmp_digit(key, shift);
        const ulong place = places[digit];
        sorted[place] = key;
        places[digit] = place + 1;
    }
}
#else
#define CLMP_TILE (CLMP_BIN_GROUP * CLMP_SORT_HELD) /* keys that are moved at once */

/* Sorts a tile by two bits of its keys: how many of each of the four values come before is 16 bits each of one number. */
CLMP_INLINE void clmp_sort_split(uint item, uint shift, local ulong *sums, local uint *tile) {
    uint held[CLMP_SORT_HELD];
    ulong count = 0, all;
#pragma unroll
    for (uint k = 0; k < CLMP_SORT_HELD; ++k) {
        held[k] = tile[item * CLMP_SORT_HELD + k];
        count += 1ul << (held[k] >> shift & 3) * 16;
    }
    ulong before = clmp_group_scan(item, count, sums, &all);
    before += (all << 16) + (all << 32) + (all << 48); /* and all of lower values */
#pragma unroll
    for (uint k = 0; k < CLMP_SORT_HELD; ++k) {
        const uint at = (held[k] >> shift & 3) * 16;
        tile[before >> at & 0xffff] = held[k];
        before += 1ul << at;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* A tile at a time: sorted by the digit in local memory, so that neighbours go to neighbouring places. */
CLMP_INLINE void clmp_sort_move(uint item, global const uint *keys, ulong begin, ulong end, uint shift,
                                local ulong *sums, local ulong *places, local uint *firsts, local uint *tile,
                                global uint *sorted) {
    for (ulong at = begin; at < end; at += CLMP_TILE) {
        const uint count = (uint)min(end - at, (ulong)CLMP_TILE);
        for (uint i = item; i < CLMP_TILE; i += CLMP_BIN_GROUP)
            tile[i] = i < count ? keys[at + i] : 0xffffffffu; /* no key is as large: these stay behind all others */
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint bits = 0; bits < 8; bits += 2)
            clmp_sort_split(item, shift + bits, sums, tile);
        for (uint i = item; i < count; i += CLMP_BIN_GROUP) {
            const uint digit = clmp_digit(tile[i], shift);
            if (i == 0 || digit != clmp_digit(tile[i - 1], shift))
                firsts[digit] = i;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < count; i += CLMP_BIN_GROUP) {
            const uint digit = clmp_digit(tile[i], shift);
            sorted[places[digit] + (i - firsts[digit])] = tile[i];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < count; i += CLMP_BIN_GROUP) {
            const uint digit = clmp_digit(tile[i], shift);
            if (i + 1 == count || digit != clmp_digit(tile[i + 1], shift))
                places[digit] += i + 1 - firsts[digit];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#endif

/* Moves a chunk's keys to their places by digit, in order.  Grid: (chunks * CLMP_BIN_GROUP, pools). */
CLMP_GROUP_KERNEL clmp_sort_scatter(global uchar *work, ulong keys_at, ulong counters_at, ulong totals_at,
                                    ulong sorted_at, ulong pixels, ulong run, uint shift) {
    const uint item = get_local_id(0);
    const ulong pool = get_global_id(1), chunk = get_group_id(0), chunks = get_num_groups(0);
    global const uint *keys = CLMP_IN(const uint, work, keys_at) + pool * pixels;
    global uint *sorted = CLMP_IN(uint, work, sorted_at) + pool * pixels;
    const ulong begin = min(chunk * run, pixels), end = min(begin + run, pixels);
    local ulong places[CLMP_DIGITS];
#if CLMP_BIN_GROUP == 1
    local ulong *sums = places; /* the least of local memory */
#else
    local ulong sums[CLMP_BIN_GROUP];
#endif
    clmp_sort_places(item, chunk, chunks, CLMP_IN(const ulong, work, counters_at) + pool * CLMP_DIGITS * chunks,
                     CLMP_IN(const ulong, work, totals_at) + pool * CLMP_DIGITS, sums, places);
#if CLMP_BIN_GROUP == 1
    clmp_sort_move(item, keys, begin, end, shift, places, sorted);
#else
    local uint firsts[CLMP_DIGITS], tile[CLMP_TILE];
    clmp_sort_move(item, keys, begin, end, shift, sums, places, firsts, tile, sorted);
#endif
}

/* Mantissa and power of a key, whose bin has the top key | tops. */
CLMP_FN ulong2 clmp_sort_share(uint key, uint tops, global const clmp_problem *problem) {
    return (ulong2)(clmp_mantissa(key), clmp_power_in_octave(key, tops, problem->powers));
}

/*
 * Sums over whole blocks, and over whole pieces, of sorted keys.  Only those that lie within one bin of the round, in one
 * of its windows, are ever read: the others are 0.  Grid: (pixels / CLMP_SORT_BLOCK rounded up to pieces, pools), a work-group
 * a piece.
 */
CLMP_GROUP_KERNEL clmp_sort_sums(global uchar *work, ulong sorted_at, ulong blocks_at, ulong pieces_at, ulong pools_at,
                                 ulong pixels, uint round, global const clmp_problem *problem) {
    const uint item = get_local_id(0);
    const ulong pool = get_global_id(1), piece = get_group_id(0);
    const ulong block_count = pixels / CLMP_SORT_BLOCK, piece_count = pixels / CLMP_SORT_PIECE;
    global const clmp_pool *of = CLMP_IN(const clmp_pool, work, pools_at) + pool;
    global const uint *sorted = CLMP_IN(const uint, work, sorted_at) + pool * pixels;
    global ulong2 *blocks = CLMP_IN(ulong2, work, blocks_at) + pool * block_count;
    const uint child = CLMP_CHILD(round), parent = CLMP_PARENT(round);
    const uint tops = (1u << child) - 1;
    const uint upper = round == 1 ? 0 : of->window[0], lower = round == 1 ? 0 : of->window[1];
    local ulong mantissas, powers;
    if (item == 0) {
        mantissas = 0;
        powers = 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const ulong end = min((piece + 1) * (CLMP_SORT_PIECE / CLMP_SORT_BLOCK), block_count);
    ulong2 all = (ulong2)(0, 0);
    for (ulong block = piece * (CLMP_SORT_PIECE / CLMP_SORT_BLOCK) + item; block < end; block += CLMP_BIN_GROUP) {
        global const uint *keys = sorted + block * CLMP_SORT_BLOCK;
        const uint first = keys[0], prefix = first >> parent;
        ulong2 sum = (ulong2)(0, 0);
        if (first >> child == keys[CLMP_SORT_BLOCK - 1] >> child && (prefix == upper || prefix == lower))
            for (uint i = 0; i < CLMP_SORT_BLOCK; ++i)
                sum += clmp_sort_share(keys[i], tops, problem);
        blocks[block] = sum;
        all += sum;
    }
    if (all.x != 0) {
        clmp_count_local(&mantissas, all.x);
        clmp_count_local(&powers, all.y);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0 && piece < piece_count)
        CLMP_IN(ulong2, work, pieces_at)[pool * piece_count + piece] = (ulong2)(mantissas, powers);
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

/* The work-item's share of the numbers from `begin` to before `end`. */
CLMP_FN ulong2 clmp_sum_numbers(uint item, global const ulong2 *numbers, ulong begin, ulong end) {
    ulong2 sum = (ulong2)(0, 0);
    for (ulong i = begin + item; i < end; i += CLMP_BIN_GROUP)
        sum += numbers[i];
    return sum;
}
CLMP_FN ulong2 clmp_sum_keys(uint item, global const uint *keys, uint tops, global const clmp_problem *problem,
                             ulong begin, ulong end) {
    ulong2 sum = (ulong2)(0, 0);
    for (ulong i = begin + item; i < end; i += CLMP_BIN_GROUP)
        sum += clmp_sort_share(keys[i], tops, problem);
    return sum;
}

/*
 * The work-item's share of the sum over the sorted keys from `begin` to before `end`: of the whole pieces, of the whole blocks
 * before and behind these, and of the keys before and behind those.
 */
CLMP_FN ulong2 clmp_sort_sum(uint item, global const uint *keys, global const ulong2 *blocks, global const ulong2 *pieces,
                             ulong begin, ulong end, uint tops, global const clmp_problem *problem) {
    /* where there is no whole block, all keys are behind the last; and likewise of pieces */
    const ulong block_end = end / CLMP_SORT_BLOCK, block_begin = min((begin + CLMP_SORT_BLOCK - 1) / CLMP_SORT_BLOCK, block_end);
    const ulong of_piece = CLMP_SORT_PIECE / CLMP_SORT_BLOCK;
    const ulong piece_end = block_end / of_piece, piece_begin = min((block_begin + of_piece - 1) / of_piece, piece_end);
    const ulong key_end = max(block_begin * CLMP_SORT_BLOCK, begin);
    ulong2 sum = clmp_sum_keys(item, keys, tops, problem, begin, min(key_end, end));
    sum += clmp_sum_keys(item, keys, tops, problem, max(block_end * CLMP_SORT_BLOCK, key_end), end);
    const ulong middle = max(piece_begin * of_piece, block_begin);
    sum += clmp_sum_numbers(item, blocks, block_begin, middle);
    sum += clmp_sum_numbers(item, blocks, max(piece_end * of_piece, middle), block_end);
    return sum + clmp_sum_numbers(item, pieces, piece_begin, piece_end);
}

/* Ranks of a bin's first key and of the first behind it. */
CLMP_FN ulong2 clmp_sort_bounds(uint bin, uint round, global const clmp_pool *of, global const uint *keys, ulong pixels) {
    const uint window_bins = CLMP_WINDOW_BINS(round), child = CLMP_CHILD(round);
    const uint prefix = round == 1 ? 0 : bin < window_bins ? of->window[1] : of->window[0];
    if (prefix == CLMP_NO_WINDOW)
        return (ulong2)(0, 0);
    const ulong low = ((ulong)prefix << CLMP_PARENT(round)) | ((ulong)(bin & (window_bins - 1)) << child);
    const ulong above = low + (1ul << child), begin = clmp_rank(keys, pixels, low);
    const ulong end = begin < pixels && keys[begin] < above ? clmp_rank(keys, pixels, above) : begin;
    return (ulong2)(begin, end);
}

/*
 * The bins of a round: a work-group looks up where the keys of several bins are, each by a work-item, and then adds them up,
 * bin after bin, together.
 *   bins  (pools, CLMP_BINS) out
 * Grid: (CLMP_BINS / CLMP_SORT_TOGETHER(CLMP_BIN_GROUP) * CLMP_BIN_GROUP, pools).
 */
CLMP_GROUP_KERNEL clmp_sort_bins(global uchar *work, ulong sorted_at, ulong blocks_at, ulong pieces_at, ulong pools_at,
                                 ulong bins_at, ulong pixels, uint round, global const clmp_problem *problem) {
    const uint item = get_local_id(0), together = CLMP_SORT_TOGETHER(CLMP_BIN_GROUP);
    const ulong pool = get_global_id(1);
    global const clmp_pool *of = CLMP_IN(const clmp_pool, work, pools_at) + pool;
    global const uint *keys = CLMP_IN(const uint, work, sorted_at) + pool * pixels;
    global const ulong2 *blocks = CLMP_IN(const ulong2, work, blocks_at) + pool * (pixels / CLMP_SORT_BLOCK);
    global const ulong2 *pieces = CLMP_IN(const ulong2, work, pieces_at) + pool * (pixels / CLMP_SORT_PIECE);
    global clmp_bin *bins = CLMP_IN(clmp_bin, work, bins_at) + pool * CLMP_BINS + get_group_id(0) * together;
    const uint tops = (1u << CLMP_CHILD(round)) - 1;
    local ulong begins[CLMP_SORT_TOGETHER(CLMP_BIN_GROUP)], ends[CLMP_SORT_TOGETHER(CLMP_BIN_GROUP)];
    local ulong mantissas[CLMP_SORT_TOGETHER(CLMP_BIN_GROUP)], powers[CLMP_SORT_TOGETHER(CLMP_BIN_GROUP)];
    if (item < together) {
        const ulong2 bounds = clmp_sort_bounds(get_group_id(0) * together + item, round, of, keys, pixels);
        begins[item] = bounds.x;
        ends[item] = bounds.y;
        mantissas[item] = 0;
        powers[item] = 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < together; ++i) {
        const ulong begin = begins[i], end = ends[i];
        if (begin >= end)
            continue;
        const ulong2 sum = clmp_sort_sum(item, keys, blocks, pieces, begin, end, tops, problem);
        if (sum.x != 0) {
            clmp_count_local(mantissas + i, sum.x);
            clmp_count_local(powers + i, sum.y);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < together) {
        bins[item].count = ends[item] - begins[item];
        bins[item].mantissas = mantissas[item];
        bins[item].powers = powers[item];
    }
}
