/*
 * The direct way of a convolution, for CPUs: kernels/train/direct.cl.  convolution.h says what is asked of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_DIRECT_H
#define CLMP_TRAIN_DIRECT_H

#include "convolution_buffers.h"

/* Numbers with room around them (kernels/train/planes.clh); of a plane of each channel. */
struct planes {
    cl_mem mem;
    size_t border, stride, pitch; /* pitch: numbers of a part of a row */
    size_t rows, plane;           /* with the room; plane: numbers */
};
struct planes direct_input_planes(const struct convolution *convolution);
struct planes direct_gradient_planes(const struct convolution *convolution); /* their stride is 1 */

/* What kernels that fill planes have as their last arguments. */
#define PLACE_IN(planes)                                                                                               \
    of_int((planes).border), of_int((planes).stride), of_ulong((planes).plane), of_int((planes).pitch),                \
        of_mem((planes).mem)

bool direct_make(struct engine *engine, bool training, struct convolution *convolution, struct failure *failure);

bool direct_forward(struct engine *engine, const struct convolution *convolution, cl_mem input, cl_mem weights,
                    size_t at, cl_mem output, struct failure *failure);

bool direct_weight_gradient(struct engine *engine, const struct convolution *convolution, cl_mem gradient,
                            bool by_image, cl_mem sums, size_t sums_at, struct failure *failure);

bool direct_input_gradient(struct engine *engine, const struct convolution *convolution, cl_mem weights, size_t at,
                           bool add, cl_mem input_gradient, struct failure *failure);

#endif /* CLMP_TRAIN_DIRECT_H */
