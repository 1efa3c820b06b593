/*
 * A 3 x 3 convolution of a batch, and its gradients.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * There are two ways.  CPUs keep the sums in registers (kernels/train/direct.cl); other devices make columns, image by
 * image, and multiply matrices (kernels/train/convolution.cl).  They differ by how sums are rounded.
 *
 *     input    float32 (images, inputs, height, width)
 *     output   float32 (images, outputs, rows, row), rows and row those of the input over the stride, rounded up
 *     weights  float32 (outputs, inputs, 3, 3)
 */
#ifndef CLMP_TRAIN_CONVOLUTION_H
#define CLMP_TRAIN_CONVOLUTION_H

#include "convolution_buffers.h"

/* For the sizes in `convolution`, whose `rows` and `row` are filled in; with the engine's way.  `training`: gradients
 * are wanted, too.  convolution_free() after a failure, too. */
bool convolution_make(struct engine *engine, bool training, struct convolution *convolution, struct failure *failure);
void convolution_free(struct convolution *convolution);

/* Weights are from number `at` of a buffer on.  `input` is NULL where the direct way's planes have it (direct.h). */
bool convolution_forward(struct engine *engine, const struct convolution *convolution, cl_mem input, cl_mem weights,
                         size_t at, cl_mem output, struct failure *failure);

/* From `gradient`, with respect to the output, those of the weights: to number `sums_at` of `sums` on, the sum over the
 * batch, or, `by_image`, of one image after the other.  `input` is that of the last convolution_forward(); `gradient`
 * is NULL where the planes have it. */
bool convolution_weight_gradient(struct engine *engine, const struct convolution *convolution, cl_mem input,
                                 cl_mem gradient, bool by_image, cl_mem sums, size_t sums_at, struct failure *failure);

/* From the `gradient` of the last convolution_weight_gradient(), that with respect to the input; `add`: on top of what
 * is there. */
bool convolution_input_gradient(struct engine *engine, const struct convolution *convolution, cl_mem gradient,
                                cl_mem weights, size_t at, bool add, cl_mem input_gradient, struct failure *failure);

#endif /* CLMP_TRAIN_CONVOLUTION_H */
