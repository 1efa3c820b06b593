/*
 * threshold, reading the bins - finds the bins that alpha lies in, and in the last round alpha itself
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One work-group reads the bins of a pool.  The steps are those of select.clh, the order of every sum is that of tree.clh,
 * whatever the work-group's size.
 */
#define CLMP_VECTOR 1
#include "tree.clh"

/* Round one's counts, and what the root is given on the way back.  One work-item. */
CLMP_INLINE void clmp_select_root(uint round, ulong pixels, global const clmp_bin *bins,
                                  global const clmp_problem *problem, global clmp_pool *pool, CLMP_TREE *tree) {
    const uint last = CLMP_SEGMENTS - 1;
    tree->total = tree->counts[last];
    if (round == 1)
        clmp_pool_begin(pixels, bins, tree->total, tree->sums[0], tree->lowest, problem, pool);
    tree->counts[last] = 0;
    tree->powers[last] = pool->below;
    tree->sums[0] = pool->sum_above;
}

/* Which leaf: the highest one whose lowest loss holds; the first one, where none does, which can come of rounding alone,
 * in rounds two and three: then alpha is, within that rounding, at the lowest loss. */
CLMP_INLINE void clmp_choose_leaf(uint round, uint item, uint segments, global const clmp_problem *problem,
                                  global const clmp_pool *pool, CLMP_TREE *tree) {
    CLMP_EACH_SEGMENT(leaf) {
        const uint bounds = tree->bounds[leaf];
        if (bounds == CLMP_NO_WINDOW)
            continue;
        atomic_min(&tree->first, leaf);
        if (clmp_holds(pool->above + (tree->total - tree->counts[leaf]), tree->powers[leaf],
                       clmp_bin_low(round, pool, bounds & 0xffff), problem, pool))
            atomic_max(&tree->chosen, leaf + 1);
    }
    barrier(CLMP_TREE_FENCE);
}

/* Which of its bins, in the same way; and the nearest leaf below that is not empty. */
CLMP_INLINE void clmp_choose_bin(uint round, uint item, uint segments, uint chosen, global const clmp_bin *bins,
                                 global const clmp_real *terms, global const clmp_problem *problem,
                                 global const clmp_pool *pool, CLMP_TREE *tree) {
    CLMP_EACH_SEGMENT(leaf) {
        if (leaf < chosen && tree->bounds[leaf] != CLMP_NO_WINDOW)
            atomic_max(&tree->previous, leaf + 1);
    }
    const uint begin = clmp_leaf_segment(round, chosen, tree->lowest) * CLMP_SEGMENT_BINS;
    for (uint k = item; k < (segments != 0 ? CLMP_SEGMENT_BINS : 0); k += CLMP_GROUP) {
        clmp_real before = tree->powers[chosen];
        ulong at_least = pool->above + (tree->total - tree->counts[chosen]);
        for (uint i = begin; i < begin + k; ++i) {
            before = clmp_real_add(before, terms[i]);
            at_least -= bins[i].count;
        }
        if (bins[begin + k].count != 0 &&
            clmp_holds(at_least, before, clmp_bin_low(round, pool, begin + k), problem, pool))
            atomic_max(&tree->best, k + 1);
    }
    barrier(CLMP_TREE_FENCE);
}

/* What is known of the bin that was chosen, and of the one below.  One work-item. */
CLMP_INLINE void clmp_choice_made(uint round, uint chosen, global const clmp_bin *bins, global const clmp_real *terms,
                                  global const clmp_pool *pool, CLMP_TREE *tree, clmp_choice *choice) {
    const uint bounds = tree->bounds[chosen];
    const uint begin = clmp_leaf_segment(round, chosen, tree->lowest) * CLMP_SEGMENT_BINS;
    const uint best = tree->best != 0 ? begin + tree->best - 1 : bounds & 0xffff;
    choice->bin = best;
    choice->count = bins[best].count;
    choice->above = pool->above + (tree->total - tree->counts[chosen]) - choice->count;
    choice->before = tree->powers[chosen];
    choice->below = CLMP_NO_WINDOW;
    choice->base = choice->before;
    if (tree->previous != 0) {
        choice->below = tree->bounds[tree->previous - 1] >> 16;
        choice->base = tree->powers[tree->previous - 1];
        for (uint i = choice->below / CLMP_SEGMENT_BINS * CLMP_SEGMENT_BINS; i < choice->below; ++i)
            choice->base = clmp_real_add(choice->base, terms[i]);
    }
    for (uint i = begin; i < best; ++i) {
        const ulong count = bins[i].count;
        if (count != 0) {
            choice->below = i;
            choice->base = choice->before;
        }
        choice->above -= count;
        choice->before = clmp_real_add(choice->before, terms[i]);
    }
    choice->sum_above = tree->sums[chosen];
    for (uint i = begin + CLMP_SEGMENT_BINS - 1; i > best; --i) {
        const clmp_bin bin = bins[i];
        if (bin.count != 0)
            choice->sum_above = clmp_real_add(choice->sum_above, clmp_bin_sum(bin, clmp_bin_low(round, pool, i)));
    }
}

/*
 *   sets     (pools, set_count, CLMP_BINS), in work from byte sets_at on; the first set of a pool gets the sum of all
 *   pools    (pools) in and out, from byte pools_at on
 *   terms    (pools, CLMP_BINS) clmp_real, scratch, from byte terms_at on
 *   trees    (pools) scratch, from byte trees_at on                          (where CLMP_LOCAL_TREE is 0)
 *   records  (pools) out, in the caller's result from byte records_at on
 * Grid: (CLMP_GROUP, pools).
 */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_threshold_select(global uchar *work, ulong sets_at, uint set_count, ulong pools_at, ulong terms_at, ulong trees_at,
                      global const clmp_problem *problem, global uchar *result, ulong records_at, ulong pixels,
                      uint round) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    global clmp_pool *pool = CLMP_IN(clmp_pool, work, pools_at) + index;
    global clmp_bin *bins = CLMP_IN(clmp_bin, work, sets_at) + index * set_count * CLMP_BINS;
    global clmp_real *terms = CLMP_IN(clmp_real, work, terms_at) + index * CLMP_BINS;
    global clmp_record *record = CLMP_IN(clmp_record, result, records_at) + index;
#if CLMP_LOCAL_TREE
    local clmp_tree own_tree;
    CLMP_TREE *tree = &own_tree;
#else
    CLMP_TREE *tree = CLMP_IN(clmp_tree, work, trees_at) + index;
#endif
    /* a pool that round one solved has no bins left to read */
    uint segments = round != 1 && pool->solved != 0 ? 0 : CLMP_SEGMENTS;

    clmp_tree_bins(round, item, segments, bins, set_count, tree);
    clmp_tree_terms(round, item, segments, bins, problem, pool, round == 1 ? tree->lowest : pool->octave, terms);
    clmp_tree_leaves(round, item, segments, bins, terms, pool, tree);
    clmp_tree_up(item, segments, tree);
    if (item == 0 && segments != 0)
        clmp_select_root(round, pixels, bins, problem, pool, tree);
    barrier(CLMP_TREE_FENCE);
    clmp_tree_down(item, segments, tree);
    if (item == 0 && segments != 0 && pool->solved != 0) {
        clmp_solve_slack(problem, pool, record);
        clmp_record_finish(pool, record);
    }
    if (pool->solved != 0)
        segments = 0;
    clmp_choose_leaf(round, item, segments, problem, pool, tree);
    const uint chosen = tree->chosen != 0 ? tree->chosen - 1 : tree->first;
    clmp_choose_bin(round, item, segments, chosen, bins, terms, problem, pool, tree);
    if (item == 0 && segments != 0) {
        clmp_choice choice;
        clmp_choice_made(round, chosen, bins, terms, pool, tree, &choice);
        clmp_round_end(round, &choice, problem, pool, record);
        if (round == CLMP_ROUNDS)
            clmp_record_finish(pool, record);
    }
}
