/* Stage threshold, where pixels are drawn: kernels/count_labels.cl, threshold_draw.cl.  SPDX-License-Identifier:
 * Apache-2.0
 */
#include "plan/draws.h"
#include "plan/whole.h"
#include "stages/ranks.h"
#include "stages/stages.h"

static clmp_status count(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + plan->layout.plane};
    const size_t size = (size_t)plan->pools * CLMP_COUNTS(plan->label_classes) * sizeof(cl_ulong);
    clmp_status status = clmp_launch_clear(step, plan->layout.counts, size);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_COUNT_LABELS);
    clmp_argument_labels(&arguments, step);
    clmp_argument_floats(&arguments, plane);
    clmp_argument_long(&arguments, plan->params.ignore_index);
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_ulong(&arguments, clmp_plan_run(plan, plan->tuning.bin_group));
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.counts);
    return clmp_launch(step, &arguments, (uint64_t)plan->tuning.chunks * plan->tuning.bin_group, plan->pools,
                       plan->tuning.bin_group);
}

static clmp_status share_out(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_DRAW_SHARES);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.counts);
    clmp_argument_offset(&arguments, step, plan->draws->shares);
    clmp_argument_offset(&arguments, step, plan->draws->records);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_ulong(&arguments, clmp_whole_pool_pixels(plan));
    clmp_argument_uint(&arguments, (cl_uint)plan->params.sampling);
    return clmp_launch(step, &arguments, plan->tuning.group_size, plan->pools, plan->tuning.group_size);
}

static clmp_status draw(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + plan->layout.plane};
    const clmp_buffer drawn = {step->workspace.mem, step->workspace.offset + plan->draws->plane};
    const bool store = step->buffers->losses.mem != NULL && clmp_plan_weighs_late(plan);
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_DRAW_PIXELS);
    clmp_argument_labels(&arguments, step);
    clmp_argument_floats(&arguments, plane);
    clmp_argument_mem(&arguments, plan->class_weights != NULL ? plan->class_weights : plan->problem);
    clmp_argument_ulong(&arguments, plan->plane_pixels);
    clmp_argument_ulong(&arguments, plan->pool_pixels);
    clmp_argument_ulong(&arguments, clmp_plan_run(plan, plan->tuning.bin_group));
    clmp_argument_ulong(&arguments, plan->params.seed);
    clmp_argument_ulong(&arguments, step->buffers->step);
    clmp_argument_ulong(&arguments, clmp_whole_first_pixel(plan));
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->draws->shares);
    clmp_argument_offset(&arguments, step, plan->draws->records);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_floats(&arguments, drawn);
    clmp_argument_floats(&arguments, store ? step->buffers->losses : drawn);
    clmp_argument_int(&arguments, store);
    return clmp_launch(step, &arguments, (uint64_t)plan->tuning.chunks * plan->tuning.bin_group, plan->pools,
                       plan->tuning.bin_group);
}

static clmp_status result(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const bool by_image = plan->params.scope == CLMP_SCOPE_IMAGE;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_DRAW_RESULT);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->draws->records);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_mem(&arguments, step->buffers->result.mem);
    clmp_argument_ulong(&arguments, step->buffers->result.offset + (by_image ? sizeof(clmp_result) : 0));
    return clmp_launch(step, &arguments, plan->tuning.group_size, plan->pools, plan->tuning.group_size);
}

clmp_status clmp_stage_draw(struct clmp_step *step, clmp_status status) {
    const clmp_plan *plan = step->plan;
    const size_t records = plan->draws->records;
    if (status == CLMP_OK)
        status = clmp_launch_clear(step, records, (size_t)plan->pools * sizeof(clmp_draw));
    if (plan->params.weighting == CLMP_WEIGHTING_BALANCED) {
        if (status == CLMP_OK)
            status = count(step);
        status = clmp_ranks_add(step, status, plan->layout.counts, 1, CLMP_COUNTS(plan->label_classes));
        if (status == CLMP_OK)
            status = share_out(step);
    }
    if (status == CLMP_OK)
        status = draw(step);
    enum { FIRST = offsetof(clmp_draw, drawn) }; /* from there on, sums over pixels */
    status = clmp_ranks_add(step, status, records + FIRST, 1, (sizeof(clmp_draw) - FIRST) / sizeof(cl_ulong));
    return status == CLMP_OK ? result(step) : status;
}
