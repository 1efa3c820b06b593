/*
 * normalisation - of each channel over the pixels of a batch, then ReLU, then what skips the layer
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     xhat = (x - mean) / sqrt(variance + TRAIN_EPSILON)      over all images of the batch and their pixels
 *     y = max(0, gain_c xhat + shift_c), plus the layer's input where that skips it (K. He et al., CVPR 2016)
 *
 * S. Ioffe, C. Szegedy, "Batch Normalization", ICML 2015.  Evaluation takes the running mean and variance instead, which
 * each batch of training moves by TRAIN_MOMENTUM of the way.
 *
 *   x, y        float32 (images, channels, pixels)
 *   statistics  float2 (channels): mean, 1 / deviation
 *   running     float32: mean (channels) from running_at on, then variance (channels), of a sample (n - 1)
 *   parameters  float32: gain (channels) from gain_at on, then shift (channels)
 *   gradient    as parameters: sum of g xhat, sum of g, with g = dL/dy where max() > 0, else 0
 *
 * Before ReLU, numbers are made anew from x in each kernel, by the same operations.  Sums are taken by one work-group
 * for each channel, always in the same order; a batch that processes share has the images' own sums added up by the
 * host.
 */
#include "planes.clh"

#ifndef TRAIN_GROUP
#define TRAIN_GROUP 64
#endif
#define TRAIN_EPSILON 1e-5f
#define TRAIN_MOMENTUM 0.1f

inline float add_up(float16 v) {
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    return (b.x + b.y) + (b.z + b.w);
}

/* The sum of `shares` of a work-group's items, for each of them. */
#define SUM_OF_GROUP(shares, value, sum)                                                                               \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    shares[get_local_id(0)] = (value);                                                                                 \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    float sum = 0.0f;                                                                                                  \
    for (int share = 0; share < TRAIN_GROUP; ++share)                                                                  \
        sum += shares[share]

/* Of a channel: what x is multiplied with, then what is added. */
inline float2 line_of(global const float2 *statistics, global const float *parameters, ulong gain_at, ulong channel,
                      ulong channels) {
    const float scale = statistics[channel].y * parameters[gain_at + channel];
    return (float2)(scale, parameters[gain_at + channels + channel] - statistics[channel].x * scale);
}

/*
 * Of each channel, and each of the parts that the images fall into: the sum of x; or, with `squares`, of (x - mean)^2,
 * where totals[channel] is the sum of x over `count` numbers, those of the whole batch.
 * Grid: a work-group for each channel, parts.
 */
kernel __attribute__((reqd_work_group_size(TRAIN_GROUP, 1, 1))) void
train_norm_sums(global const float *restrict x, ulong images, ulong pixels, int squares, global const float *totals,
                float count, global float *sums, ulong sums_at) {
    local float shares[TRAIN_GROUP];
    const ulong item = get_local_id(0), channel = get_group_id(0), channels = get_num_groups(0);
    const ulong part = get_group_id(1), first = part * images;
    const ulong whole = pixels / 16 * 16;
    const float mean = squares ? totals[channel] / count : 0.0f;
    float16 wide = (float16)0.0f;
    float rest = 0.0f;
    for (ulong image = first; image < first + images; ++image) {
        global const float *restrict plane = x + (image * channels + channel) * pixels;
        if (squares)
            for (ulong at = item * 16; at < whole; at += TRAIN_GROUP * 16) {
                const float16 off = vload16(0, plane + at) - (float16)mean;
                wide += off * off;
            }
        else
            for (ulong at = item * 16; at < whole; at += TRAIN_GROUP * 16)
                wide += vload16(0, plane + at);
        for (ulong at = whole + item; at < pixels; at += TRAIN_GROUP)
            rest += squares ? (plane[at] - mean) * (plane[at] - mean) : plane[at];
    }
    SUM_OF_GROUP(shares, add_up(wide) + rest, sum);
    if (item == 0)
        sums[sums_at + part * channels + channel] = sum;
}

/* From the batch's sums of x (channels), then of squares (channels).  Grid: (channels). */
kernel void train_norm_statistics(global const float *restrict totals, float count, global float *restrict running,
                                  ulong running_at, global float2 *restrict statistics) {
    const ulong channel = get_global_id(0), channels = get_global_size(0);
    const float mean = totals[channel] / count, squares = totals[channels + channel];
    global float *kept = running + running_at + channel;
    statistics[channel] = (float2)(mean, rsqrt(squares / count + TRAIN_EPSILON));
    kept[0] += TRAIN_MOMENTUM * (mean - kept[0]);
    kept[channels] += TRAIN_MOMENTUM * (squares / fmax(count - 1.0f, 1.0f) - kept[channels]);
}

/* The statistics of evaluation.  Grid: (channels). */
kernel void train_norm_running(global const float *restrict running, ulong running_at,
                               global float2 *restrict statistics) {
    const ulong channel = get_global_id(0), channels = get_global_size(0);
    global const float *kept = running + running_at + channel;
    statistics[channel] = (float2)(kept[0], rsqrt(kept[channels] + TRAIN_EPSILON));
}

/* `input`: as y, where it skips the layer.  Grid: (pixels, images x channels). */
kernel void train_norm_forward(global const float *restrict x, global const float2 *restrict statistics,
                               global const float *restrict parameters, ulong gain_at, ulong channels, int skips,
                               global const float *restrict input, global float *restrict y) {
    const ulong plane = get_global_id(1), at = plane * get_global_size(0) + get_global_id(0);
    const float2 line = line_of(statistics, parameters, gain_at, plane % channels, channels);
    const float over = fmax(0.0f, fma(x[at], line.x, line.y));
    y[at] = skips ? over + input[at] : over;
}

/* The same, and y into the planes of the next convolution, too; for CPUs.  Grid: (images x channels). */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
train_norm_forward_planes(global const float *restrict x, global const float2 *restrict statistics,
                          global const float *restrict parameters, ulong gain_at, ulong channels, int skips,
                          global const float *restrict input, global float *restrict y, int height, int width,
                          int border, int stride, ulong plane, int pitch, global float *restrict planes) {
    const ulong channel = get_global_id(0);
    const float2 line = line_of(statistics, parameters, gain_at, channel % channels, channels);
    for (int row = 0; row < height; ++row) {
        const ulong at = (channel * height + row) * width;
        if (skips)
            for (int i = 0; i < width; ++i)
                y[at + i] = fmax(0.0f, fma(x[at + i], line.x, line.y)) + input[at + i];
        else
            for (int i = 0; i < width; ++i)
                y[at + i] = fmax(0.0f, fma(x[at + i], line.x, line.y));
        place_row(y + at, width, border, stride, pitch,
                  row_of_planes(planes, plane, channel, row, border, stride, pitch));
    }
}

/* The parameters' gradient, of each of the parts that the images fall into.  Grid: a work-group for each channel,
   parts. */
kernel __attribute__((reqd_work_group_size(TRAIN_GROUP, 1, 1))) void
train_norm_parameters(global const float *restrict x, global const float *restrict dy, ulong images, ulong pixels,
                      global const float2 *restrict statistics, global const float *restrict parameters,
                      ulong gain_at, global float *restrict sums, ulong sums_at) {
    local float shares[TRAIN_GROUP];
    const ulong item = get_local_id(0), channel = get_group_id(0), channels = get_num_groups(0);
    const ulong part = get_group_id(1), first_image = part * images;
    const ulong whole = pixels / 16 * 16;
    const float2 of_channel = statistics[channel];
    const float2 line = line_of(statistics, parameters, gain_at, channel, channels);
    float16 g_wide = (float16)0.0f, gx_wide = (float16)0.0f;
    float g_rest = 0.0f, gx_rest = 0.0f;
    for (ulong image = first_image; image < first_image + images; ++image) {
        const ulong first = (image * channels + channel) * pixels;
        for (ulong at = first + item * 16; at < first + whole; at += TRAIN_GROUP * 16) {
            const float16 x_wide = vload16(0, x + at);
            const int16 over = fma(x_wide, (float16)line.x, (float16)line.y) > (float16)0.0f;
            const float16 g = select((float16)0.0f, vload16(0, dy + at), over);
            g_wide += g;
            gx_wide += g * (x_wide - (float16)of_channel.x);
        }
        for (ulong at = first + whole + item; at < first + pixels; at += TRAIN_GROUP) {
            const float g = fma(x[at], line.x, line.y) > 0.0f ? dy[at] : 0.0f;
            g_rest += g;
            gx_rest += g * (x[at] - of_channel.x);
        }
    }
    SUM_OF_GROUP(shares, add_up(g_wide) + g_rest, g_sum);
    SUM_OF_GROUP(shares, (add_up(gx_wide) + gx_rest) * of_channel.y, gx_sum);
    if (item == 0) {
        sums[sums_at + (2 * part) * channels + channel] = gx_sum;
        sums[sums_at + (2 * part + 1) * channels + channel] = g_sum;
    }
}

/* dL/dx, in place of dL/dy, which is kept in `input_gradient` where the input skips the layer; of `count` numbers of a
   channel in the whole batch.  Grid: (pixels, images x channels). */
kernel void train_norm_backward(global const float *restrict x, global const float2 *restrict statistics,
                                global const float *restrict parameters,
                                global const float *restrict parameters_gradient, ulong gain_at, ulong channels,
                                float count, int skips, global float *restrict input_gradient,
                                global float *restrict gradient) {
    const ulong plane = get_global_id(1), at = plane * get_global_size(0) + get_global_id(0);
    const ulong channel = plane % channels;
    const float2 of_channel = statistics[channel], line = line_of(statistics, parameters, gain_at, channel, channels);
    const float gx_mean = parameters_gradient[gain_at + channel] / count;
    const float g_mean = parameters_gradient[gain_at + channels + channel] / count;
    const float xhat = (x[at] - of_channel.x) * of_channel.y;
    const float dy = gradient[at], g = fma(x[at], line.x, line.y) > 0.0f ? dy : 0.0f;
    if (skips)
        input_gradient[at] = dy;
    gradient[at] = line.x * (g - g_mean - xhat * gx_mean);
}

/* The same, but dL/dx goes into planes of stride 1; for CPUs.  Grid: (images x channels). */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
train_norm_backward_planes(global const float *restrict x, global const float2 *restrict statistics,
                           global const float *restrict parameters, global const float *restrict parameters_gradient,
                           ulong gain_at, ulong channels, float count, int skips,
                           global float *restrict input_gradient, global const float *restrict gradient, int height,
                           int width, int border, int stride, ulong plane, int pitch, global float *restrict planes) {
    const ulong place = get_global_id(0), channel = place % channels;
    const float2 of_channel = statistics[channel], line = line_of(statistics, parameters, gain_at, channel, channels);
    const float gx_mean = parameters_gradient[gain_at + channel] / count;
    const float g_mean = parameters_gradient[gain_at + channels + channel] / count;
    for (int row = 0; row < height; ++row) {
        const ulong at = (place * height + row) * width;
        global float *restrict to = row_of_planes(planes, plane, place, row, border, stride, pitch) + border;
        for (int i = 0; i < width; ++i) {
            const float xhat = (x[at + i] - of_channel.x) * of_channel.y;
            const float g = fma(x[at + i], line.x, line.y) > 0.0f ? gradient[at + i] : 0.0f;
            to[i] = line.x * (g - g_mean - xhat * gx_mean);
        }
        if (skips)
            for (int i = 0; i < width; ++i)
                input_gradient[at + i] = gradient[at + i];
    }
}
