/* Stage threshold by sort: kernels/threshold_sort.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/sort.h"
#include "stages/stages.h"

/* Launches one work-group for each of `groups` parts of each pool. */
static clmp_status launch(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t groups) {
    const uint32_t group = step->plan->tuning.bin_group;
    return clmp_launch(step, arguments, groups * group, step->plan->pools, group);
}

/* One pass of the radix sort, over 8 bits of the keys. */
static clmp_status sort_pass(struct clmp_step *step, size_t from, size_t to, uint32_t shift) {
    const clmp_plan *plan = step->plan;
    const uint64_t run = clmp_plan_run(plan, (uint64_t)plan->tuning.bin_group * CLMP_SORT_HELD);
    struct clmp_arguments count = clmp_arguments_begin(step, CLMP_KERNEL_SORT_COUNT);
    clmp_argument_workspace(&count, step);
    clmp_argument_offset(&count, step, from);
    clmp_argument_offset(&count, step, plan->sort->counters);
    clmp_argument_ulong(&count, plan->pool_pixels);
    clmp_argument_ulong(&count, run);
    clmp_argument_uint(&count, shift);
    clmp_status status = launch(step, &count, plan->tuning.chunks);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments scan = clmp_arguments_begin(step, CLMP_KERNEL_SORT_SCAN);
    clmp_argument_workspace(&scan, step);
    clmp_argument_offset(&scan, step, plan->sort->counters);
    clmp_argument_offset(&scan, step, plan->sort->totals);
    clmp_argument_ulong(&scan, plan->tuning.chunks);
    status = launch(step, &scan, CLMP_DIGITS);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments scatter = clmp_arguments_begin(step, CLMP_KERNEL_SORT_SCATTER);
    clmp_argument_workspace(&scatter, step);
    clmp_argument_offset(&scatter, step, from);
    clmp_argument_offset(&scatter, step, plan->sort->counters);
    clmp_argument_offset(&scatter, step, plan->sort->totals);
    clmp_argument_offset(&scatter, step, to);
    clmp_argument_ulong(&scatter, plan->pool_pixels);
    clmp_argument_ulong(&scatter, run);
    clmp_argument_uint(&scatter, shift);
    return launch(step, &scatter, plan->tuning.chunks);
}

clmp_status clmp_sort_begin(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const size_t *keys = plan->sort->keys;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_SORT_KEYS);
    clmp_argument_losses(&arguments, step);
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, keys[0]);
    clmp_status status = clmp_launch(step, &arguments, plan->pool_pixels, plan->pools, plan->tuning.group_size);
    /* four passes: the sorted keys end up where they began */
    for (uint32_t pass = 0; pass < 4 && status == CLMP_OK; ++pass)
        status = sort_pass(step, keys[pass % 2], keys[(pass + 1) % 2], 8 * pass);
    return status;
}

clmp_status clmp_sort_fill(struct clmp_step *step, uint32_t round) {
    const clmp_plan *plan = step->plan;
    const size_t sorted = plan->sort->keys[0];
    struct clmp_arguments sums = clmp_arguments_begin(step, CLMP_KERNEL_SORT_SUMS);
    clmp_argument_workspace(&sums, step);
    clmp_argument_offset(&sums, step, sorted);
    clmp_argument_offset(&sums, step, plan->sort->blocks);
    clmp_argument_offset(&sums, step, plan->sort->pieces);
    clmp_argument_offset(&sums, step, plan->layout.pools);
    clmp_argument_ulong(&sums, plan->pool_pixels);
    clmp_argument_uint(&sums, round);
    clmp_argument_mem(&sums, plan->problem);
    const clmp_status status = launch(step, &sums, (plan->pool_pixels + CLMP_SORT_PIECE - 1) / CLMP_SORT_PIECE);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments bins = clmp_arguments_begin(step, CLMP_KERNEL_SORT_BINS);
    clmp_argument_workspace(&bins, step);
    clmp_argument_offset(&bins, step, sorted);
    clmp_argument_offset(&bins, step, plan->sort->blocks);
    clmp_argument_offset(&bins, step, plan->sort->pieces);
    clmp_argument_offset(&bins, step, plan->layout.pools);
    clmp_argument_offset(&bins, step, plan->layout.sets);
    clmp_argument_ulong(&bins, plan->pool_pixels);
    clmp_argument_uint(&bins, round);
    clmp_argument_mem(&bins, plan->problem);
    return launch(step, &bins, CLMP_BINS / CLMP_SORT_TOGETHER(plan->tuning.bin_group));
}
