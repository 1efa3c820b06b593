/*
 * The sizes of a convolution (convolution.h), and its buffers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_CONVOLUTION_BUFFERS_H
#define CLMP_TRAIN_CONVOLUTION_BUFFERS_H

#include "engine.h"

struct convolution {
    size_t images, inputs, outputs, height, width, stride, dilation;
    size_t rows, row; /* of the output */
    bool direct;
    cl_mem columns; /* of one image, (9 inputs, rows, row) */
    /* of the direct way: planes of the input and of the output's gradient, weights in tiles, and tables */
    cl_mem input_planes, gradient_planes, tiles, table, adjoint_table;
};

#endif /* CLMP_TRAIN_CONVOLUTION_BUFFERS_H */
