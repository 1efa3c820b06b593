/*
 * threshold, by search - sorts losses into bins of integers, which corner alpha in three rounds
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * clmp_threshold_fill: each work-group adds a run of a pool's pixels to a set of bins.  threshold_select.cl adds the
 * sets up, reads them, and sets the windows of the next round.
 *
 * A device's choices, none of which shows in a sum of integers:
 *   CLMP_BIN_GROUP    work-items that fill bins together; 1: plain sums, else 32-bit atomics, which every device has
 *   CLMP_LOCAL_BINS   1: a work-group's bins are in local memory, and are added to the set in the end; 0: no such bins
 *   CLMP_STACK_BINS   1: they are on the stack, a called function's at that, which costs no barrier, and PoCL no arrays
 *                     for what crosses one; for CPUs, with one work-item in a group
 *   CLMP_SHARED_SETS  1: work-groups share sets, which are 0 to begin with; 0: each has a set of its own
 */
#include "vector.clh"

#include "bins.clh"
#include "counters.clh"

#ifndef CLMP_LOCAL_BINS
#define CLMP_LOCAL_BINS 1
#endif
#ifndef CLMP_SHARED_SETS
#define CLMP_SHARED_SETS 0
#endif

/*
 * What pixels add to a bin, in 16 bytes: x = count and mantissas in one number, which holds 2^20 - 1 pixels; y =
 * powers. So a work-group empties its bins after every CLMP_PIECE pixels.
 */
#define CLMP_COUNT_SHIFT 44
#define CLMP_ONE_PIXEL (1ul << CLMP_COUNT_SHIFT)
#define CLMP_PIECE (1ul << 19)

#if CLMP_SHARED_SETS || (CLMP_BIN_GROUP > 1 && !CLMP_LOCAL_BINS)
CLMP_FN void clmp_add_to_set(global clmp_bin *bin, ulong2 sum) {
    clmp_count_global(&bin->count, sum.x >> CLMP_COUNT_SHIFT);
    clmp_count_global(&bin->mantissas, sum.x & (CLMP_ONE_PIXEL - 1));
    clmp_count_global(&bin->powers, sum.y);
}
#else
CLMP_FN void clmp_add_to_set(global clmp_bin *bin, ulong2 sum) {
    bin->count += sum.x >> CLMP_COUNT_SHIFT;
    bin->mantissas += sum.x & (CLMP_ONE_PIXEL - 1);
    bin->powers += sum.y;
}
#endif

/* What goes by way of SPIR may have little room for a work-item's own. */
#if defined(__SPIR__) || defined(__SPIRV__) || !defined(CLMP_STACK_BINS)
#undef CLMP_STACK_BINS
#define CLMP_STACK_BINS 0
#endif

#if !CLMP_LOCAL_BINS
#define CLMP_PLACE global clmp_bin
#define clmp_add clmp_add_to_set
#elif CLMP_STACK_BINS
#define CLMP_PLACE ulong2
CLMP_FN void clmp_add(ulong2 *bin, ulong2 sum) {
    *bin += sum;
}
#else
#define CLMP_PLACE local ulong2
CLMP_FN void clmp_add(local ulong2 *bin, ulong2 sum) {
#if CLMP_BIN_GROUP == 1
    *bin += sum; /* one addition of a vector */
#else
    local ulong *words = (local ulong *)bin;
    clmp_count_local(words, sum.x);
    clmp_count_local(words + 1, sum.y);
#endif
}
#endif

/* PoCL 3.1 loses what a function that it does not inline writes to local memory. */
#define CLMP_INLINE CLMP_FN __attribute__((always_inline))

/* What a round looks for. */
typedef struct clmp_window {
    uint round, parent, child, mask, tops;
    uint upper, lower; /* upper bits of a key */
    uint upper_bins;   /* where the upper window's bins begin */
    clmp_powers powers;
} clmp_window;

/* What a vector of keys, each in a window, adds to bins, and to which. */
typedef struct clmp_shares {
    uint bin[CLMP_VECTOR];
    ulong counted[CLMP_VECTOR], powers[CLMP_VECTOR];
} clmp_shares;

/* A pixel, and its mantissa. */
CLMP_FN ULONGV clmp_counted(UINTV key) {
    return TO_ULONGV(clmp_mantissa(key)) | (ULONGV)CLMP_ONE_PIXEL;
}

CLMP_INLINE void clmp_share_out(UINTV key, const clmp_window *window, clmp_shares *shares) {
    const INTV in_upper = (INTV)((key >> (UINTV)window->parent) == (UINTV)window->upper);
    UINTV bin = (key >> (UINTV)window->child) & (UINTV)window->mask;
    bin += select((UINTV)0, (UINTV)window->upper_bins, in_upper);
    CLMP_VSTORE(bin, shares->bin);
    CLMP_VSTORE(clmp_counted(key), shares->counted);
    CLMP_VSTORE(clmp_power_in_octave(key, window->tops, window->powers), shares->powers);
}

/* Whether a key is in a window: of round one, all are. */
CLMP_INLINE INTV clmp_wanted(UINTV key, const clmp_window *window) {
    const UINTV prefix = key >> (UINTV)window->parent;
    /* 0 where it is one of the two: one comparison, since vectors of AVX2 take several operations to join two */
    return (INTV)(min(prefix ^ (UINTV)window->upper, prefix ^ (UINTV)window->lower) == (UINTV)0);
}

#if CLMP_BIN_GROUP == 1
/* `count` keys, each in a window, to their bins. */
CLMP_INLINE void clmp_add_keys(UINTV key, uint count, const clmp_window *window, CLMP_PLACE *bins) {
    clmp_shares shares;
    clmp_share_out(key, window, &shares);
    if (count == CLMP_VECTOR) { /* nearly always */
#pragma unroll 4
        for (uint i = 0; i < CLMP_VECTOR; ++i)
            clmp_add(bins + shares.bin[i], (ulong2)(shares.counted[i], shares.powers[i]));
        return;
    }
    for (uint i = 0; i < count; ++i)
        clmp_add(bins + shares.bin[i], (ulong2)(shares.counted[i], shares.powers[i]));
}

#if CLMP_VECTOR > 1 && !defined(CLMP_IN_REGISTERS)
#define CLMP_HELD 4
#define CLMP_HELD_PIXELS (CLMP_HELD * CLMP_VECTOR)

/* Numbers side by side: a0 b0 a1 b1 ... */
CLMP_INLINE void clmp_store_pairs(UINTV a, UINTV b, uint *to) {
#if CLMP_VECTOR == 16 /* the longest vector */
    uint16 low, high;
    low.even = a.lo;
    low.odd = b.lo;
    high.even = a.hi;
    high.odd = b.hi;
    vstore16(low, 0, to);
    vstore16(high, 1, to);
#else
    for (uint i = 0; i < CLMP_VECTOR; ++i) {
        to[2 * i] = ((uint *)&a)[i];
        to[2 * i + 1] = ((uint *)&b)[i];
    }
#endif
}

/* A block's shares, by terms: of 32 bits. */
CLMP_INLINE void clmp_add_block_by_terms(const UINTV *key, const FLOATV *below, const uint *bin,
                                         const clmp_window *window, CLMP_PLACE *bins) {
    uint share[2 * CLMP_HELD_PIXELS];
#pragma unroll 1
    for (uint k = 0; k < CLMP_HELD; ++k)
        clmp_store_pairs(clmp_mantissa(key[k]), clmp_power_by_terms(below[k], window->powers),
                         share + k * 2 * CLMP_VECTOR);
#pragma unroll 4
    for (uint i = 0; i < CLMP_HELD_PIXELS; ++i)
        clmp_add(bins + bin[i], convert_ulong2(vload2(i, share)) + (ulong2)(CLMP_ONE_PIXEL, 0));
}

/* The same, by logarithms and exponentials: of 64 bits. */
CLMP_INLINE void clmp_add_block(const UINTV *key, FLOATV *part, const uint *bin, const clmp_window *window,
                                CLMP_PLACE *bins) {
    ulong counted[CLMP_HELD_PIXELS], powers[CLMP_HELD_PIXELS];
#pragma unroll 1
    for (uint k = 0; k < CLMP_HELD; ++k)
        part[k] = clmp_log_in_octave(part[k], window->powers.q_log2e);
#pragma unroll 1
    for (uint k = 0; k < CLMP_HELD; ++k) {
        CLMP_VSTORE(clmp_counted(key[k]), counted + k * CLMP_VECTOR);
        CLMP_VSTORE(clmp_fixed(AS_UINTV(clmp_exp2(part[k])), window->powers.fraction_bits), powers + k * CLMP_VECTOR);
    }
#pragma unroll 4
    for (uint i = 0; i < CLMP_HELD_PIXELS; ++i)
        clmp_add(bins + bin[i], (ulong2)(counted[i], powers[i]));
}

/*
 * Round one: whole blocks of pixels, each of which has a bin; returns where they end.  A pixel's share is a chain of
 * some thirty operations, each waiting for the one before: in steps, each for all vectors of a block, there is always
 * something else to do.
 */
CLMP_INLINE ulong clmp_fill_blocks(global const float *losses, int marked, ulong begin, ulong end,
                                   const clmp_window *window, CLMP_PLACE *bins) {
    uint bin[CLMP_HELD_PIXELS];
    UINTV key[CLMP_HELD];
    FLOATV below[CLMP_HELD];
    for (; end - begin >= CLMP_HELD_PIXELS; begin += CLMP_HELD_PIXELS) {
#pragma unroll 1
        for (uint k = 0; k < CLMP_HELD; ++k) {
            key[k] = clmp_keys(CLMP_VLOAD(losses + begin + k * CLMP_VECTOR), marked);
            below[k] = clmp_below_in_octave(key[k], window->tops);
            CLMP_VSTORE(key[k] >> (UINTV)window->child, bin + k * CLMP_VECTOR);
        }
        if (window->powers.by_terms)
            clmp_add_block_by_terms(key, below, bin, window, bins);
        else
            clmp_add_block(key, below, bin, window, bins);
    }
    return begin;
}
#endif

/*
 * The keys that a round found in its windows, and which of them the bins have.  They are in the workspace: the windows
 * of round three are within those of round two, so that it looks at the list alone, where that had room for all.  They
 * are kept as the floats that they are the bits of, and so are read as losses are: round three reads and writes one
 * list, of which a vector is read before anything is written there, and never more written than was read.
 */
typedef struct clmp_list {
    global float *keys;
    uint room, count, added;
    int complete;
} clmp_list;

CLMP_INLINE void clmp_add_list(clmp_list *list, const clmp_window *window, CLMP_PLACE *bins) {
    for (uint at = list->added; at < list->count; at += CLMP_VECTOR) {
        const uint lanes = min(list->count - at, (uint)CLMP_VECTOR);
        clmp_add_keys(AS_UINTV(clmp_load(list->keys + at, lanes, 0.0f)), lanes, window, bins);
    }
    list->added = list->count;
}

/* Those of the pixels from `first` to before `end` that are in a window, to the list; returns where that is full, or
 * the end. */
CLMP_INLINE ulong clmp_find(global const float *losses, int marked, ulong first, ulong end, const clmp_window *window,
                            clmp_list *list) {
    for (; first < end && list->count + CLMP_VECTOR <= list->room; first += CLMP_VECTOR) {
        const uint lanes = (uint)min(end - first, (ulong)CLMP_VECTOR);
        /* what fills up the last vector is in no window */
        const UINTV key = clmp_keys(clmp_load(losses + first, lanes, -1.0f), marked);
        const INTV wanted = clmp_wanted(key, window);
        if (!CLMP_ANY(wanted))
            continue;                               /* nearly always */
        if (!CLMP_ANY((INTV)(wanted == (INTV)0))) { /* where losses are alike */
            CLMP_VSTORE(AS_FLOATV(key), list->keys + list->count);
            list->count += CLMP_VECTOR;
            continue;
        }
        float key_of[CLMP_VECTOR];
        int wanted_of[CLMP_VECTOR];
        uint count = list->count;
        CLMP_VSTORE(AS_FLOATV(key), key_of);
        CLMP_VSTORE(wanted, wanted_of);
#pragma unroll
        for (uint i = 0; i < CLMP_VECTOR; ++i) {
            list->keys[count] = key_of[i]; /* the next one overwrites it, if it is not wanted */
            count += wanted_of[i] != 0 ? 1 : 0;
        }
        list->count = count;
    }
    return min(first, end);
}

/* The pixels from `begin` to before `end`, to bins: in rounds two and three a list of them at a time. */
CLMP_INLINE void clmp_fill(global const float *losses, int marked, ulong begin, ulong end, uint item,
                           const clmp_window *window, clmp_list *list, CLMP_PLACE *bins) {
    if (window->round != 1) {
        while (begin < end) {
            if (list->count + CLMP_VECTOR > list->room) {
                list->count = list->added = 0;
                list->complete = 0;
            }
            begin = clmp_find(losses, marked, begin, end, window, list);
            clmp_add_list(list, window, bins);
        }
        return;
    }
#ifdef CLMP_HELD
    begin = clmp_fill_blocks(losses, marked, begin, end, window, bins);
#endif
    for (ulong first = begin; first < end; first += CLMP_VECTOR) {
        const uint lanes = (uint)min(end - first, (ulong)CLMP_VECTOR);
        clmp_add_keys(clmp_keys(clmp_load(losses + first, lanes, 0.0f), marked), lanes, window, bins);
    }
}
#else
/* Vectors that a work-item loads at once: a load takes longer than all that is done with it. */
#define CLMP_AHEAD (CLMP_VECTOR < 4 ? 4 / CLMP_VECTOR : 1)

typedef void clmp_list; /* a list would need a place for each key that all work-items agree on */

/*
 * The work-item's share of the pixels from `begin` to before `end`, to bins.  Pixels of one bin that it meets in a row are
 * added up before the atomics: where all losses are the same, all work-items would queue for one bin.
 */
CLMP_INLINE void clmp_fill(global const float *losses, int marked, ulong begin, ulong end, uint item,
                           const clmp_window *window, clmp_list *list, CLMP_PLACE *bins) {
    uint last = CLMP_NO_WINDOW; /* the row's bin */
    ulong2 sum = (ulong2)(0, 0);
    const ulong apart = CLMP_BIN_GROUP * CLMP_VECTOR;
    for (ulong first = begin + item * CLMP_VECTOR; first < end; first += CLMP_AHEAD * apart) {
        FLOATV loss[CLMP_AHEAD];
        ulong lanes[CLMP_AHEAD];
#pragma unroll
        for (uint k = 0; k < CLMP_AHEAD; ++k) {
            const ulong at = min(first + k * apart, end);
            lanes[k] = min(end - at, (ulong)CLMP_VECTOR);
            loss[k] = clmp_load(losses + at, lanes[k], -1.0f);
        }
#pragma unroll
        for (uint k = 0; k < CLMP_AHEAD; ++k) {
            const UINTV key = clmp_keys(loss[k], marked);
            const INTV wanted = clmp_wanted(key, window) | (INTV)(window->round == 1 ? -1 : 0);
            if (!CLMP_ANY(wanted))
                continue; /* nearly always, in rounds two and three */
            clmp_shares shares;
            int wanted_of[CLMP_VECTOR];
            clmp_share_out(key, window, &shares);
            CLMP_VSTORE(wanted, wanted_of);
#pragma unroll
            for (uint i = 0; i < CLMP_VECTOR; ++i) {
                if (i >= lanes[k] || wanted_of[i] == 0)
                    continue;
                if (shares.bin[i] != last) {
                    if (last != CLMP_NO_WINDOW)
                        clmp_add(bins + last, sum);
                    last = shares.bin[i];
                    sum = (ulong2)(0, 0);
                }
                sum += (ulong2)(shares.counted[i], shares.powers[i]);
            }
        }
    }
    if (last != CLMP_NO_WINDOW)
        clmp_add(bins + last, sum);
}
#endif

#if CLMP_STACK_BINS
/* The same, at most CLMP_PIECE of them, to a set. */
CLMP_CALLED void clmp_fill_piece(global const float *losses, int marked, ulong begin, ulong end,
                                 const clmp_window *window, clmp_list *list, global clmp_bin *set) {
    ulong2 bins[CLMP_BINS];
    for (uint i = 0; i < CLMP_BINS; ++i)
        bins[i] = (ulong2)(0, 0);
    clmp_fill(losses, marked, begin, end, 0, window, list, bins);
    for (uint i = 0; i < CLMP_BINS; ++i)
        if (bins[i].x != 0)
            clmp_add_to_set(set + i, bins[i]);
}
#endif

/*
 *   losses  float32 (pools, pixels), from losses_at on: losses, or marks where marked
 *   pools   (pools), in work from byte pools_at on
 *   sets    (pools, set_count, CLMP_BINS) out, in work from byte sets_at on; work-group i of a pool adds to set
 *           i % set_count
 *   run     pixels of a work-group, a multiple of CLMP_VECTOR * CLMP_BIN_GROUP
 *   lists   (pools, work-groups of a pool, CLMP_LIST_HEAD + list_room) scratch of 32 bits, in work from byte lists_at
 *           on: what round two leaves to round three                           (where CLMP_BIN_GROUP is 1)
 *
 * Grid: (work-groups of a pool * CLMP_BIN_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_threshold_fill(global const float *losses, ulong losses_at, int marked, ulong pixels, ulong run, uint round,
                    global const clmp_problem *problem, global uchar *work, ulong pools_at, ulong sets_at,
                    uint set_count, ulong lists_at, uint list_room) {
    const ulong pool = get_global_id(1);
    global const clmp_pool *pools = CLMP_IN(const clmp_pool, work, pools_at);
    global clmp_bin *set =
        CLMP_IN(clmp_bin, work, sets_at) + (pool * set_count + get_group_id(0) % set_count) * CLMP_BINS;
    clmp_window window;
    window.round = round;
    window.parent = CLMP_PARENT(round);
    window.child = CLMP_CHILD(round);
    window.mask = CLMP_WINDOW_BINS(round) - 1;
    window.tops = (1u << CLMP_CHILD(round)) - 1;
    window.upper = round == 1 ? 0 : pools[pool].window[0];
    window.lower = round == 1 ? CLMP_NO_WINDOW : pools[pool].window[1];
    window.upper_bins = CLMP_BINS - CLMP_WINDOW_BINS(round);
    window.powers = problem->powers;

#if !CLMP_SHARED_SETS
    for (uint i = get_local_id(0); i < CLMP_BINS; i += CLMP_BIN_GROUP) {
        set[i].count = 0;
        set[i].mantissas = 0;
        set[i].powers = 0;
    }
#endif
    ulong begin = min(get_group_id(0) * run, pixels);
    ulong end = min(begin + run, pixels);
    losses += losses_at + pool * pixels;
#if CLMP_BIN_GROUP == 1
    const ulong place = (pool * get_num_groups(0) + get_group_id(0)) * (CLMP_LIST_HEAD + list_room);
    global uint *kept = CLMP_IN(uint, work, lists_at) + place;
    clmp_list own_list = {CLMP_IN(float, work, lists_at) + place + CLMP_LIST_HEAD, list_room, 0, 0, 1};
    clmp_list *list = &own_list;
    if (round == 3 && *kept != CLMP_NOT_KEPT) {
        losses = list->keys;
        marked = 1;
        begin = 0;
        end = *kept;
    }
#else
    clmp_list *list = 0;
#endif
#if CLMP_STACK_BINS
    for (ulong at = begin; at < end; at += CLMP_PIECE)
        clmp_fill_piece(losses, marked, at, min(at + CLMP_PIECE, end), &window, list, set);
#elif CLMP_LOCAL_BINS
    local ulong2 bins[CLMP_BINS];
    for (ulong at = begin; at < end; at += CLMP_PIECE) {
        for (uint i = get_local_id(0); i < CLMP_BINS; i += CLMP_BIN_GROUP)
            bins[i] = (ulong2)(0, 0);
        barrier(CLK_LOCAL_MEM_FENCE);
        clmp_fill(losses, marked, at, min(at + CLMP_PIECE, end), get_local_id(0), &window, list, bins);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = get_local_id(0); i < CLMP_BINS; i += CLMP_BIN_GROUP) {
            const ulong2 bin = bins[i];
            if (bin.x != 0)
                clmp_add_to_set(set + i, bin);
        }
    }
#else
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (ulong at = begin; at < end; at += CLMP_PIECE)
        clmp_fill(losses, marked, at, min(at + CLMP_PIECE, end), get_local_id(0), &window, list, set);
#endif
#if CLMP_BIN_GROUP == 1
    if (round == 2)
        *kept = own_list.complete ? own_list.count : CLMP_NOT_KEPT;
#endif
}
