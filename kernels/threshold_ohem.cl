/*
 * threshold, of online hard example mining - finds the loss above which pixels are kept
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * In the place of clmp_threshold_select (threshold_select.cl), with its arguments: what fills the bins and adds them up is
 * the same.
 */
#define CLMP_VECTOR 1
#define CLMP_POWERS 0
#include "ohem.clh"
#include "tree.clh"

/* Round one's counts, and what the root is given on the way back.  One work-item. */
CLMP_INLINE void clmp_ohem_root(uint round, ulong pixels, global const clmp_bin *bins,
                                global const clmp_problem *problem, global clmp_pool *pool, global clmp_record *record,
                                CLMP_TREE *tree) {
    tree->total = tree->counts[CLMP_SEGMENTS - 1];
    if (round == 1)
        clmp_ohem_begin(pixels, bins, tree->total, tree->sums[0], problem, pool, record);
    tree->counts[CLMP_SEGMENTS - 1] = 0;
    tree->sums[0] = pool->sum_above;
}

/* The segment of the (k+1)-th largest loss: one, or none, where that is above the window. */
CLMP_INLINE void clmp_ohem_rank(uint item, uint segments, ulong k, global const clmp_pool *pool, CLMP_TREE *tree) {
    CLMP_EACH_SEGMENT(segment) {
        const ulong all = pool->above + tree->total;
        if (all - clmp_tree_count_to(tree, segment) <= k && k < all - tree->counts[segment])
            tree->chosen = segment + 1;
    }
    barrier(CLMP_TREE_FENCE);
}

/* The bin of the smaller bound, and what is above it.  One work-item. */
CLMP_INLINE uint clmp_ohem_choose(uint round, global const clmp_bin *bins, global const clmp_problem *problem,
                                  global const clmp_pool *pool, CLMP_TREE *tree, ulong *above, clmp_real *sum_above) {
    const ulong k = problem->count;
    uint target = clmp_ohem_bin(round, problem->cut, pool);
    if (tree->chosen != 0) {
        const uint begin = (tree->chosen - 1) * CLMP_SEGMENT_BINS;
        uint bin = begin + CLMP_SEGMENT_BINS - 1;
        ulong at_least = pool->above + tree->total - clmp_tree_count_to(tree, tree->chosen - 1) + bins[bin].count;
        while (bin > begin && at_least <= k) {
            bin -= 1;
            at_least += bins[bin].count;
        }
        target = min(target, bin);
    }
    const uint segment = target / CLMP_SEGMENT_BINS;
    *above = pool->above + tree->total - clmp_tree_count_to(tree, segment);
    *sum_above = tree->sums[segment];
    for (uint i = segment * CLMP_SEGMENT_BINS + CLMP_SEGMENT_BINS - 1; i > target; --i) {
        const clmp_bin bin = bins[i];
        if (bin.count != 0) {
            *above += bin.count;
            *sum_above = clmp_real_add(*sum_above, clmp_bin_sum(bin, clmp_bin_low(round, pool, i)));
        }
    }
    return target;
}

/* Arguments and grid: those of clmp_threshold_select; terms are not looked at. */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_ohem_select(global uchar *work, ulong sets_at, uint set_count, ulong pools_at, ulong terms_at, ulong trees_at,
                 global const clmp_problem *problem, global uchar *result, ulong records_at, ulong pixels, uint round) {
    const uint item = get_local_id(0);
    const ulong index = get_global_id(1);
    global clmp_pool *pool = CLMP_IN(clmp_pool, work, pools_at) + index;
    global clmp_bin *bins = CLMP_IN(clmp_bin, work, sets_at) + index * set_count * CLMP_BINS;
    global clmp_record *record = CLMP_IN(clmp_record, result, records_at) + index;
#if CLMP_LOCAL_TREE
    local clmp_tree own_tree;
    CLMP_TREE *tree = &own_tree;
#else
    CLMP_TREE *tree = CLMP_IN(clmp_tree, work, trees_at) + index;
#endif
    uint segments = round != 1 && pool->solved != 0 ? 0 : CLMP_SEGMENTS;

    clmp_tree_bins(round, item, segments, bins, set_count, tree);
    clmp_tree_leaves(round, item, segments, bins, CLMP_IN(const clmp_real, work, terms_at), pool, tree);
    clmp_tree_up(item, segments, tree);
    if (item == 0 && segments != 0)
        clmp_ohem_root(round, pixels, bins, problem, pool, record, tree);
    barrier(CLMP_TREE_FENCE);
    clmp_tree_down(item, segments, tree);
    if (pool->solved != 0)
        segments = 0;
    clmp_ohem_rank(item, segments, problem->count, pool, tree);
    if (item == 0 && segments != 0) {
        ulong above;
        clmp_real sum_above;
        const uint bin = clmp_ohem_choose(round, bins, problem, pool, tree, &above, &sum_above);
        clmp_ohem_end(round, bin, above, sum_above, pool, record);
    }
}
