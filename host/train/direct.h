/*
 * The direct way of a convolution, for CPUs: kernels/train/direct.cl.  convolution.h says what is asked of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_DIRECT_H
#define CLMP_TRAIN_DIRECT_H

#include "convolution.h"

bool direct_make(struct engine *engine, bool training, struct convolution *convolution, struct failure *failure);

bool direct_forward(struct engine *engine, const struct convolution *convolution, cl_mem input, cl_mem weights,
                    size_t at, cl_mem output, struct failure *failure);

bool direct_weight_gradient(struct engine *engine, const struct convolution *convolution, cl_mem gradient,
                            bool by_image, cl_mem sums, size_t sums_at, struct failure *failure);

bool direct_input_gradient(struct engine *engine, const struct convolution *convolution, cl_mem weights, size_t at,
                           bool add, cl_mem input_gradient, struct failure *failure);

#endif /* CLMP_TRAIN_DIRECT_H */
