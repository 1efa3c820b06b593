/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/inputs.h"

void clmp_argument_labels(struct clmp_arguments *arguments, const struct clmp_step *step) {
    clmp_argument_mem(arguments, step->buffers->labels.mem);
    clmp_argument_ulong(arguments, step->buffers->labels.offset / step->plan->label_size + clmp_first_pixel(step));
}

void clmp_argument_logits(struct clmp_arguments *arguments, const struct clmp_step *step, clmp_buffer buffer) {
    clmp_argument_mem(arguments, buffer.mem);
    clmp_argument_ulong(arguments, buffer.offset / step->plan->logits.element);
}

void clmp_argument_strides(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const struct clmp_logits *logits = &step->plan->logits;
    const struct clmp_part *part = step->part; /* one row of one image */
    clmp_argument_ulong(arguments, part != NULL ? 0 : logits->image_stride);
    clmp_argument_ulong(arguments, part != NULL ? part->pixels : logits->class_stride);
    clmp_argument_ulong(arguments, part != NULL ? 0 : logits->row_stride);
}

void clmp_argument_inputs(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const clmp_plan *plan = step->plan;
    const clmp_buffers *buffers = step->buffers;
    clmp_argument_logits(arguments, step, step->part != NULL ? step->part->logits : buffers->logits);
    clmp_argument_strides(arguments, step);
    clmp_argument_labels(arguments, step);
    /* some buffer, where none is read */
    clmp_argument_mem(arguments, plan->class_weights != NULL ? plan->class_weights : plan->problem);
    clmp_argument_long(arguments, plan->params.ignore_index);
    clmp_argument_ulong(arguments, step->part != NULL ? step->part->pixels : plan->logits.pixels);
}

void clmp_argument_confusion(struct clmp_arguments *arguments, const struct clmp_step *step) {
    clmp_argument_mem(arguments, step->buffers->confusion.mem);
    clmp_argument_ulong(arguments, step->buffers->confusion.offset / sizeof(cl_ulong));
}

clmp_buffer clmp_from_first_pixel(const struct clmp_step *step, clmp_buffer plane) {
    plane.offset += (size_t)clmp_first_pixel(step) * sizeof(float);
    return plane;
}

clmp_status clmp_launch_pixels(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t pixels,
                               uint64_t rows) {
    const clmp_tuning *tuning = &step->plan->tuning;
    return clmp_launch(step, arguments, (pixels + tuning->vector_width - 1) / tuning->vector_width, rows,
                       tuning->group_size);
}

void clmp_argument_sums(struct clmp_arguments *arguments, const struct clmp_step *step) {
    const size_t from = (size_t)clmp_first_pixel(step) * sizeof(float);
    clmp_argument_offset(arguments, step, step->plan->layout.maxima + from);
    clmp_argument_offset(arguments, step, step->plan->layout.others + from);
}

clmp_status clmp_launch_inputs(struct clmp_step *step, const struct clmp_arguments *arguments, uint32_t run) {
    const clmp_plan *plan = step->plan;
    const struct clmp_part *part = step->part;
    const uint64_t pixels = part != NULL ? part->pixels : plan->logits.pixels;
    const uint64_t vector = (uint64_t)plan->tuning.vector_width * run;
    return clmp_chain_launch_planes(&step->chain, arguments, (pixels + vector - 1) / vector,
                                    part != NULL ? 1 : plan->logits.rows, part != NULL ? 1 : plan->planes,
                                    plan->tuning.group_size);
}
