/* What kernels read of a step, as arguments, and launches over its pixels.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_INPUTS_H
#define CLMP_INPUTS_H

#include "stages/launch.h"

/* The labels, and their offset in labels. */
void clmp_argument_labels(struct clmp_arguments *arguments, const struct clmp_step *step);

/* Logits, or a gradient, and their offset in elements; and their strides. */
void clmp_argument_logits(struct clmp_arguments *arguments, const struct clmp_step *step, clmp_buffer buffer);
void clmp_argument_strides(struct clmp_arguments *arguments, const struct clmp_step *step);

/* What the loss and the gradient kernel begin with: logits, labels, class weights, ignore_index, pixels. */
void clmp_argument_inputs(struct clmp_arguments *arguments, const struct clmp_step *step);

/* The matrix of predictions, and its offset in numbers of 64 bits. */
void clmp_argument_confusion(struct clmp_arguments *arguments, const struct clmp_step *step);

/* The pixel of the batch that a step works from, and a plane of numbers of pixels from there on. */
static inline uint64_t clmp_first_pixel(const struct clmp_step *step) {
    return step->part != NULL ? step->part->image * step->plan->image_pixels + step->part->first : 0;
}
clmp_buffer clmp_from_first_pixel(const struct clmp_step *step, clmp_buffer plane);

/* What the loss leaves to the gradient: where its two planes begin in the workspace. */
void clmp_argument_sums(struct clmp_arguments *arguments, const struct clmp_step *step);

/* One work-item for each `run` vectors of pixels of the inputs. */
clmp_status clmp_launch_inputs(struct clmp_step *step, const struct clmp_arguments *arguments, uint32_t run);

/* One work-item for each vector of pixels of each of `rows` rows. */
clmp_status clmp_launch_pixels(struct clmp_step *step, const struct clmp_arguments *arguments, uint64_t pixels,
                               uint64_t rows);

#endif
