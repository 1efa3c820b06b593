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
 *   CLMP_SHARED_SETS  1: work-groups share sets, which are 0 to begin with; 0: each has a set of its own
 */
#include "vector.clh"

#ifndef CLMP_BIN_GROUP
#define CLMP_BIN_GROUP 1
#endif
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

/* A 64-bit sum in two 32-bit atomics: every wrap of the low word is seen by exactly one adder, which carries it. */
#define CLMP_DEFINE_ATOMIC_ADD(name, space)                                                                            \
    CLMP_FN void name(volatile space uint *word, ulong x) { /* low word first: the host asks for little endian */      \
        const uint low = (uint)x;                                                                                      \
        const uint old = atomic_add(word, low);                                                                        \
        const uint high = (uint)(x >> 32) + (old + low < old ? 1u : 0u);                                               \
        if (high != 0)                                                                                                 \
            atomic_add(word + 1, high);                                                                                \
    }

#if CLMP_SHARED_SETS || (CLMP_BIN_GROUP > 1 && !CLMP_LOCAL_BINS)
CLMP_DEFINE_ATOMIC_ADD(clmp_atomic_add_global, global)
CLMP_FN void clmp_add_to_set(global clmp_bin *bin, ulong2 sum) {
    clmp_atomic_add_global((volatile global uint *)&bin->count, sum.x >> CLMP_COUNT_SHIFT);
    clmp_atomic_add_global((volatile global uint *)&bin->mantissas, sum.x & (CLMP_ONE_PIXEL - 1));
    clmp_atomic_add_global((volatile global uint *)&bin->powers, sum.y);
}
#else
CLMP_FN void clmp_add_to_set(global clmp_bin *bin, ulong2 sum) {
    bin->count += sum.x >> CLMP_COUNT_SHIFT;
    bin->mantissas += sum.x & (CLMP_ONE_PIXEL - 1);
    bin->powers += sum.y;
}
#endif

#if !CLMP_LOCAL_BINS
#define CLMP_PLACE global clmp_bin
#define clmp_add clmp_add_to_set
#else
#define CLMP_PLACE local ulong2
#if CLMP_BIN_GROUP == 1
CLMP_FN void clmp_add(local ulong2 *bin, ulong2 sum) {
    *bin += sum;
}
#else
CLMP_DEFINE_ATOMIC_ADD(clmp_atomic_add_local, local)
CLMP_FN void clmp_add(local ulong2 *bin, ulong2 sum) {
    volatile local uint *words = (volatile local uint *)bin;
    clmp_atomic_add_local(words, sum.x);
    clmp_atomic_add_local(words + 2, sum.y);
}
#endif
#endif

/* PoCL 3.1 loses what a function that it does not inline writes to local memory. */
#define CLMP_INLINE CLMP_FN __attribute__((always_inline))

/* What a round looks for. */
typedef struct clmp_window {
    uint round, parent, child, mask, tops;
    uint upper, lower; /* upper bits of a key */
    uint upper_bins;   /* where the upper window's bins begin */
    float q_log2e;
    int fraction_bits;
} clmp_window;

/* Pixels of one bin that a work-item has met in a row.  They are added up before the atomics: where all losses are the
 * same, all work-items would queue for one bin.  Plain sums need none of it. */
typedef struct clmp_row {
    uint bin; /* CLMP_NO_WINDOW: none yet */
    ulong2 sum;
} clmp_row;

/* `count` keys, each in a window, to their bins. */
CLMP_INLINE void clmp_add_keys(UINTV key, uint count, const clmp_window *window, clmp_row *row, CLMP_PLACE *bins) {
    const INTV in_upper = (INTV)((key >> (UINTV)window->parent) == (UINTV)window->upper);
    UINTV bin = (key >> (UINTV)window->child) & (UINTV)window->mask;
    bin += select((UINTV)0, (UINTV)window->upper_bins, in_upper);
    const FLOATV power = clmp_power_in_octave(key, key | (UINTV)window->tops, window->q_log2e);
    const UINTV mantissa = (key & (UINTV)0x007fffff) | (UINTV)0x00800000;

    uint bin_of[CLMP_VECTOR];
    ulong counted[CLMP_VECTOR], powers[CLMP_VECTOR];
    CLMP_VSTORE(bin, bin_of);
    CLMP_VSTORE(TO_ULONGV(mantissa) | (ULONGV)CLMP_ONE_PIXEL, counted);
    CLMP_VSTORE(clmp_fixed(AS_UINTV(power), window->fraction_bits), powers);
#if CLMP_BIN_GROUP == 1
    if (count == CLMP_VECTOR) { /* nearly always */
#pragma unroll
        for (uint i = 0; i < CLMP_VECTOR; ++i)
            clmp_add(bins + bin_of[i], (ulong2)(counted[i], powers[i]));
        return;
    }
    for (uint i = 0; i < count; ++i)
        clmp_add(bins + bin_of[i], (ulong2)(counted[i], powers[i]));
#else
    for (uint i = 0; i < count; ++i) {
        if (bin_of[i] != row->bin) {
            if (row->bin != CLMP_NO_WINDOW)
                clmp_add(bins + row->bin, row->sum);
            row->bin = bin_of[i];
            row->sum = (ulong2)(0, 0);
        }
        row->sum += (ulong2)(counted[i], powers[i]);
    }
#endif
}

/* The work-item's share of the pixels from `begin` to before `end`, to bins. */
CLMP_INLINE void clmp_fill(global const float *losses, int marked, ulong begin, ulong end, uint item,
                           const clmp_window *window, CLMP_PLACE *bins) {
    clmp_row row;
    row.bin = CLMP_NO_WINDOW;
    row.sum = (ulong2)(0, 0);
    /* Few pixels are in the windows of rounds two and three: those wait here until they fill a vector. */
    uint waiting[2 * CLMP_VECTOR] = {0}; /* whole vectors are read: also what is not counted */
    uint count = 0;
    int more = 1;
    for (ulong first = begin + item * CLMP_VECTOR; more; first += CLMP_BIN_GROUP * CLMP_VECTOR) {
        UINTV key = (UINTV)0;
        uint ready = 0; /* pixels of key to add; in one place, as a compiler takes its time for it */
        more = first < end;
        if (more) {
            const uint lanes = (uint)min(end - first, (ulong)CLMP_VECTOR);
            /* what fills up the last vector is in no window of those rounds */
            key = clmp_keys(clmp_load(losses + first, lanes, -1.0f), marked);
            const UINTV prefix = key >> (UINTV)window->parent;
            const INTV wanted = (INTV)((prefix == (UINTV)window->upper) | (prefix == (UINTV)window->lower));
            if (window->round == 1) {
                ready = lanes;
            } else if (!CLMP_ANY(wanted)) {
                continue; /* nearly always */
            } else if (!CLMP_ANY((INTV)(wanted == (INTV)0))) {
                ready = lanes; /* where losses are alike */
            } else {
                uint key_of[CLMP_VECTOR];
                int wanted_of[CLMP_VECTOR];
                CLMP_VSTORE(key, key_of);
                CLMP_VSTORE(wanted, wanted_of);
#pragma unroll
                for (uint i = 0; i < CLMP_VECTOR; ++i) {
                    waiting[count] = key_of[i];
                    count += wanted_of[i] != 0 ? 1 : 0;
                }
                if (count >= CLMP_VECTOR) {
                    key = CLMP_VLOAD(waiting);
                    ready = CLMP_VECTOR;
                    count -= CLMP_VECTOR;
                    for (uint i = 0; i < CLMP_VECTOR; ++i)
                        waiting[i] = waiting[CLMP_VECTOR + i];
                }
            }
        } else {
            ready = count;
            key = CLMP_VLOAD(waiting);
        }
        if (ready != 0)
            clmp_add_keys(key, ready, window, &row, bins);
    }
#if CLMP_BIN_GROUP > 1
    if (row.bin != CLMP_NO_WINDOW)
        clmp_add(bins + row.bin, row.sum);
#endif
}

/*
 *   losses  float32 (pools, pixels), from losses_at on: losses, or marks where marked
 *   pools   (pools), in work from byte pools_at on
 *   sets    (pools, set_count, CLMP_BINS) out, in work from byte sets_at on; work-group i of a pool adds to set
 *           i % set_count
 *   run     pixels of a work-group, a multiple of CLMP_VECTOR * CLMP_BIN_GROUP
 * Grid: (work-groups of a pool * CLMP_BIN_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_threshold_fill(global const float *losses, ulong losses_at, int marked, ulong pixels, ulong run, uint round,
                    global const clmp_problem *problem, global uchar *work, ulong pools_at, ulong sets_at,
                    uint set_count) {
    const uint item = get_local_id(0);
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
    window.q_log2e = problem->q_log2e;
    window.fraction_bits = problem->fraction_bits;

#if !CLMP_SHARED_SETS
    for (uint i = item; i < CLMP_BINS; i += CLMP_BIN_GROUP) {
        set[i].count = 0;
        set[i].mantissas = 0;
        set[i].powers = 0;
    }
#endif
    const ulong begin = min(get_group_id(0) * run, pixels);
    const ulong end = min(begin + run, pixels);
#if CLMP_LOCAL_BINS
    local ulong2 bins[CLMP_BINS];
    for (ulong at = begin; at < end; at += CLMP_PIECE) {
        for (uint i = item; i < CLMP_BINS; i += CLMP_BIN_GROUP)
            bins[i] = (ulong2)(0, 0);
        barrier(CLK_LOCAL_MEM_FENCE);
        clmp_fill(losses + losses_at + pool * pixels, marked, at, min(at + CLMP_PIECE, end), item, &window, bins);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = item; i < CLMP_BINS; i += CLMP_BIN_GROUP) {
            const ulong2 bin = bins[i];
            if (bin.x != 0)
                clmp_add_to_set(set + i, bin);
        }
    }
#else
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (ulong at = begin; at < end; at += CLMP_PIECE)
        clmp_fill(losses + losses_at + pool * pixels, marked, at, min(at + CLMP_PIECE, end), item, &window, set);
#endif
}
