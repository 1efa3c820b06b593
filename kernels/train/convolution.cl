/*
 * convolution - 3 x 3, as a product of matrices: what comes before and after it
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Row (c, ky, kx) of the columns holds, for each pixel (y, x) of the output, the pixel
 * (stride y + dilation (ky - 1), stride x + dilation (kx - 1)) of channel c of the input, 0 outside of it; so the output
 * is weight (channels, 9 c) x columns.  A work-item walks along a row, which compilers turn into vectors.
 *
 *   image    float32 (channels, height, width), from image_at on: one image of a batch
 *   columns  float32 (channels, 3, 3, out_height, out_width)
 *
 * Grids: train_im2col (out_height, 9 channels); train_col2im (height, channels).
 */

/* First and one past the last x of the output that lie in the input, moved by `shift`. */
#define FIRST_X(shift, stride) ((shift) >= 0 ? 0 : (-(shift) + (stride) - 1) / (stride))
#define END_X(shift, stride, width, out_width) \
    clamp(((width) - (shift) + (stride) - 1) / (stride), 0, (out_width))

kernel void train_im2col(global const float *restrict image, ulong image_at, int height, int width, int out_height,
                         int out_width, int stride, int dilation, global float *restrict columns) {
    const int y = (int)get_global_id(0), row = (int)get_global_id(1), tap = row % 9;
    const int from_y = y * stride + dilation * (tap / 3 - 1), shift = dilation * (tap % 3 - 1);
    global float *restrict to = columns + ((ulong)row * out_height + y) * out_width;
    const bool inside = from_y >= 0 && from_y < height;
    const int first = inside ? min(FIRST_X(shift, stride), out_width) : out_width;
    const int end = inside ? max(END_X(shift, stride, width, out_width), first) : out_width;
    for (int x = 0; x < first; ++x)
        to[x] = 0.0f;
    if (inside) {
        global const float *restrict from = image + image_at + ((ulong)(row / 9) * height + from_y) * width;
        if (stride == 1)
            for (int x = first; x < end; ++x)
                to[x] = from[x + shift];
        else
            for (int x = first; x < end; ++x)
                to[x] = from[x * stride + shift];
    }
    for (int x = end; x < out_width; ++x)
        to[x] = 0.0f;
}

/* The adjoint: each number of the input gets the sum of its places in the columns, or that on top of what it has. */
kernel void train_col2im(global const float *restrict columns, int height, int width, int out_height, int out_width,
                         int stride, int dilation, int add, global float *restrict image, ulong image_at) {
    const int y = (int)get_global_id(0), channel = (int)get_global_id(1);
    global float *restrict to = image + image_at + ((ulong)channel * height + y) * width;
    if (!add)
        for (int x = 0; x < width; ++x)
            to[x] = 0.0f;
    for (int tap = 0; tap < 9; ++tap) {
        const int from_y = y - dilation * (tap / 3 - 1), shift = dilation * (tap % 3 - 1);
        if (from_y < 0 || from_y % stride != 0 || from_y / stride >= out_height)
            continue;
        global const float *restrict from =
            columns + ((ulong)(channel * 9 + tap) * out_height + from_y / stride) * out_width;
        const int first = min(FIRST_X(shift, stride), out_width), end = END_X(shift, stride, width, out_width);
        if (stride == 1)
            for (int x = first; x < end; ++x)
                to[x + shift] += from[x];
        else
            for (int x = first; x < end; ++x)
                to[x * stride + shift] += from[x];
    }
}
