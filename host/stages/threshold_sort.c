/* Stage threshold by sort: kernels/threshold_sort.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

static clmp_status scan(struct clmp_step *step, size_t numbers, uint64_t rows, uint64_t length) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_SORT_SCAN);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, numbers);
    clmp_argument_ulong(&arguments, length);
    clmp_argument_offset(&arguments, step, plan->layout.partial);
    return clmp_launch(step, &arguments, plan->tuning.group_size, rows, plan->tuning.group_size);
}

/* One pass of the radix sort, over 8 bits of the keys. */
static clmp_status sort_pass(struct clmp_step *step, size_t from, size_t to, uint32_t shift) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments count = clmp_arguments_begin(step, CLMP_KERNEL_SORT_COUNT);
    clmp_argument_workspace(&count, step);
    clmp_argument_offset(&count, step, from);
    clmp_argument_offset(&count, step, plan->layout.counters);
    clmp_argument_ulong(&count, plan->pool_pixels);
    clmp_argument_ulong(&count, plan->sort_run);
    clmp_argument_ulong(&count, plan->sort_workers);
    clmp_argument_uint(&count, shift);
    clmp_status status = clmp_launch(step, &count, plan->sort_workers, plan->pools, plan->tuning.group_size);
    if (status == CLMP_OK)
        status = scan(step, plan->layout.counters, plan->pools, 256 * plan->sort_workers);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments scatter = clmp_arguments_begin(step, CLMP_KERNEL_SORT_SCATTER);
    clmp_argument_workspace(&scatter, step);
    clmp_argument_offset(&scatter, step, from);
    clmp_argument_offset(&scatter, step, plan->layout.counters);
    clmp_argument_offset(&scatter, step, to);
    clmp_argument_ulong(&scatter, plan->pool_pixels);
    clmp_argument_ulong(&scatter, plan->sort_run);
    clmp_argument_ulong(&scatter, plan->sort_workers);
    clmp_argument_uint(&scatter, shift);
    return clmp_launch(step, &scatter, plan->sort_workers, plan->pools, plan->tuning.group_size);
}

clmp_status clmp_sort_begin(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const size_t *keys = plan->layout.keys;
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
    const size_t sorted = plan->layout.keys[0];
    struct clmp_arguments sums = clmp_arguments_begin(step, CLMP_KERNEL_SORT_SUMS);
    clmp_argument_workspace(&sums, step);
    clmp_argument_offset(&sums, step, sorted);
    clmp_argument_offset(&sums, step, plan->layout.sums);
    clmp_argument_offset(&sums, step, plan->layout.offsets);
    clmp_argument_ulong(&sums, plan->pool_pixels);
    clmp_argument_ulong(&sums, plan->sort_run);
    clmp_argument_ulong(&sums, plan->sort_workers);
    clmp_argument_uint(&sums, round);
    clmp_argument_mem(&sums, plan->problem);
    clmp_status status = clmp_launch(step, &sums, plan->sort_workers, plan->pools, plan->tuning.group_size);
    if (status == CLMP_OK)
        status = scan(step, plan->layout.offsets, 2 * plan->pools, plan->sort_workers);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments bins = clmp_arguments_begin(step, CLMP_KERNEL_SORT_BINS);
    clmp_argument_workspace(&bins, step);
    clmp_argument_offset(&bins, step, sorted);
    clmp_argument_offset(&bins, step, plan->layout.sums);
    clmp_argument_offset(&bins, step, plan->layout.offsets);
    clmp_argument_offset(&bins, step, plan->layout.pools);
    clmp_argument_offset(&bins, step, plan->layout.sets);
    clmp_argument_ulong(&bins, plan->pool_pixels);
    clmp_argument_ulong(&bins, plan->sort_run);
    clmp_argument_ulong(&bins, plan->sort_workers);
    clmp_argument_uint(&bins, round);
    clmp_argument_mem(&bins, plan->problem);
    return clmp_launch(step, &bins, CLMP_BINS, plan->pools, plan->tuning.group_size);
}
