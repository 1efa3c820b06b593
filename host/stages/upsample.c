/* Stages loss and gradient, and predictions against labels, from logits of lower resolution: kernels/upsample_*.cl.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan/upsample.h"

#include "core/program.h"
#include "plan/draws.h"
#include "stages/stages.h"

static clmp_status split(struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_UPSAMPLE_SPLIT);
    clmp_argument_logits(&arguments, step, step->buffers->logits);
    clmp_argument_strides(&arguments, step);
    clmp_argument_ulong(&arguments, plan->logits.rows);
    clmp_argument_ulong(&arguments, plan->logits.pixels);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->upsample->high);
    clmp_argument_offset(&arguments, step, plan->upsample->low);
    clmp_argument_offset(&arguments, step, plan->upsample->spans);
    return clmp_launch_pixels(step, &arguments, plan->logits.pixels, plan->planes * plan->logits.rows);
}

/* What kernels that walk tiles begin with: tables, and the logits' parts. */
static void argument_parts(struct clmp_arguments *arguments, const struct clmp_step *step) {
    clmp_argument_mem(arguments, step->plan->upsample->tables);
    clmp_argument_workspace(arguments, step);
    clmp_argument_offset(arguments, step, step->plan->upsample->high);
    clmp_argument_offset(arguments, step, step->plan->upsample->low);
}

static void argument_classes(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    clmp_argument_labels(arguments, step);
    /* some buffer, where none is read */
    clmp_argument_mem(arguments, plan->class_weights != NULL ? plan->class_weights : plan->problem);
    clmp_argument_long(arguments, plan->params.ignore_index);
}

/* Vectors of whole tiles of columns, or parts of one, for each of `rows` rows of tiles of an image. */
static clmp_status launch_tiles(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t rows) {
    const clmp_plan *plan = step->plan;
    const uint64_t lanes = plan->upsample->column_tiles * plan->upsample->slot, vector = plan->tuning.vector_width;
    return clmp_launch(step, arguments, (lanes + vector - 1) / vector, plan->params.images * rows,
                       clmp_upsample_group(plan));
}

/* Likewise, a work-item for each tile of columns. */
static clmp_status launch_steep(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t rows) {
    const clmp_plan *plan = step->plan;
    return clmp_launch(step, arguments, plan->upsample->column_tiles, plan->params.images * rows,
                       plan->tuning.group_size);
}

/* All pixels, or those of steep tiles, in place of the others. */
static clmp_status losses(struct clmp_step *step, bool steep) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + plan->layout.plane};
    /* losses that go without class weights yet are stored when these are applied */
    const bool store = step->buffers->losses.mem != NULL && !clmp_plan_weighs_late(plan);
    struct clmp_arguments arguments =
        clmp_arguments_begin(step, steep ? CLMP_KERNEL_STEEP_LOSS : CLMP_KERNEL_UPSAMPLE_LOSS);
    argument_parts(&arguments, step);
    if (steep)
        clmp_argument_offset(&arguments, step, plan->upsample->spans);
    argument_classes(&arguments, step);
    clmp_argument_floats(&arguments, plane);
    clmp_argument_floats(&arguments, store ? step->buffers->losses : plane);
    clmp_argument_int(&arguments, store);
    return steep ? launch_steep(step, &arguments, plan->upsample->row_tiles)
                 : launch_tiles(step, &arguments, plan->upsample->row_tiles);
}

clmp_status clmp_upsample_loss(struct clmp_step *step) {
    clmp_status status = split(step);
    if (status == CLMP_OK)
        status = losses(step, false);
    return status == CLMP_OK ? losses(step, true) : status;
}

/* Likewise. */
static clmp_status tile_sums(struct clmp_step *step, const struct clmp_band *band, bool steep) {
    const clmp_plan *plan = step->plan;
    const clmp_buffer plane = {step->workspace.mem, step->workspace.offset + clmp_plan_weighed_plane(plan)};
    struct clmp_arguments arguments =
        clmp_arguments_begin(step, steep ? CLMP_KERNEL_STEEP_GRADIENT : CLMP_KERNEL_UPSAMPLE_GRADIENT);
    argument_parts(&arguments, step);
    if (steep)
        clmp_argument_offset(&arguments, step, plan->upsample->spans);
    clmp_argument_offset(&arguments, step, plan->upsample->tile_sums);
    argument_classes(&arguments, step);
    clmp_argument_floats(&arguments, plane);
    clmp_argument_mem(&arguments, plan->problem);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_ulong(&arguments, plan->params.images / plan->pools);
    clmp_argument_ulong(&arguments, band->first_row);
    clmp_argument_ulong(&arguments, band->rows);
    return steep ? launch_steep(step, &arguments, band->rows) : launch_tiles(step, &arguments, band->rows);
}

static clmp_status gather(struct clmp_step *step, const struct clmp_band *band) {
    const clmp_plan *plan = step->plan;
    const clmp_plan_params *params = &plan->params;
    struct clmp_arguments arguments = clmp_arguments_begin(step, clmp_range_kernel(step, CLMP_KERNEL_UPSAMPLE_GATHER));
    clmp_argument_mem(&arguments, plan->upsample->tables);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->upsample->tile_sums);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_ulong(&arguments, params->images / plan->pools);
    clmp_argument_ulong(&arguments, band->first_row);
    clmp_argument_ulong(&arguments, band->rows);
    clmp_argument_ulong(&arguments, band->first_logit);
    clmp_argument_ulong(&arguments, band->logits);
    clmp_argument_float(&arguments, step->buffers->gradient_scale);
    clmp_argument_logits(&arguments, step, step->buffers->gradient);
    clmp_argument_strides(&arguments, step);
    clmp_argument_range(&arguments, step);
    /* one work-item more, for the first and the last of a row */
    return clmp_launch_pixels(step, &arguments, params->logits_width + plan->tuning.vector_width,
                              params->images * params->classes * band->logits);
}

clmp_status clmp_upsample_gradient(struct clmp_step *step) {
    const struct clmp_upsample *upsample = step->plan->upsample;
    clmp_status status = CLMP_OK;
    for (uint32_t b = 0; b < upsample->bands && status == CLMP_OK; ++b) {
        if (upsample->band[b].rows > 0)
            status = tile_sums(step, &upsample->band[b], false);
        if (upsample->band[b].rows > 0 && status == CLMP_OK)
            status = tile_sums(step, &upsample->band[b], true);
        if (status == CLMP_OK)
            status = gather(step, &upsample->band[b]);
    }
    return status;
}

static clmp_status build_steep(clmp_plan *plan) {
    char macros[256];
    clmp_steep_macros(plan, macros, sizeof macros);
    return clmp_kernel_create(plan->context, "upsample_steep_confusion", macros, "clmp_upsample_steep_confusion",
                              &plan->kernels[CLMP_KERNEL_STEEP_CONFUSION]);
}

static clmp_status build(clmp_plan *plan) {
    char macros[256];
    clmp_upsample_macros(plan, macros, sizeof macros);
    return clmp_confusion_build(plan, "upsample_confusion", "clmp_upsample_confusion", macros,
                                clmp_upsample_group(plan), true);
}

static clmp_status count_tiles(struct clmp_step *step, enum clmp_kernel_id id) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, id);
    argument_parts(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->upsample->spans);
    clmp_argument_labels(&arguments, step);
    clmp_argument_long(&arguments, plan->params.ignore_index);
    clmp_argument_confusion(&arguments, step);
    return id == CLMP_KERNEL_CONFUSION ? launch_tiles(step, &arguments, plan->upsample->row_tiles)
                                       : launch_steep(step, &arguments, plan->upsample->row_tiles);
}

clmp_status clmp_upsample_confusion(struct clmp_step *step) {
    clmp_plan *plan = step->plan;
    clmp_status status = plan->kernels[CLMP_KERNEL_CONFUSION] == NULL ? build(plan) : CLMP_OK;
    if (status == CLMP_OK && plan->kernels[CLMP_KERNEL_STEEP_CONFUSION] == NULL)
        status = build_steep(plan);
    if (status == CLMP_OK)
        status = split(step);
    if (status == CLMP_OK)
        status = count_tiles(step, CLMP_KERNEL_CONFUSION);
    return status == CLMP_OK ? count_tiles(step, CLMP_KERNEL_STEEP_CONFUSION) : status;
}
