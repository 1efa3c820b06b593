/* Counts of labels: kernels/count_labels.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

static clmp_status count(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const size_t size = (size_t)plan->pools * CLMP_COUNTS(plan->label_classes) * sizeof(cl_ulong);
    const clmp_status status = clmp_launch_clear(step, plan->layout.counts, size);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_COUNT_LABELS);
    clmp_argument_labels(&arguments, step);
    clmp_argument_floats(&arguments, step->workspace); /* where losses would be; not read */
    clmp_argument_long(&arguments, plan->params.ignore_index);
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_ulong(&arguments, clmp_plan_run(plan, plan->tuning.bin_group));
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.counts);
    return clmp_launch(step, &arguments, (uint64_t)plan->tuning.chunks * plan->tuning.bin_group, plan->pools,
                       plan->tuning.bin_group);
}

clmp_status clmp_count_labels(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_status status = count(step);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_ADD_COUNTS);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.counts);
    clmp_argument_ulong(&arguments, plan->params.images);
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_mem(&arguments, step->buffers->label_counts.mem);
    clmp_argument_ulong(&arguments, step->buffers->label_counts.offset / sizeof(cl_ulong));
    return clmp_launch(step, &arguments, plan->params.classes + 3, 1, plan->tuning.group_size);
}
