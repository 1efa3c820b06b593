/*
 * normalisation - by groups of channels of an image, then ReLU
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     xhat = (x - mean) / sqrt(variance + TRAIN_EPSILON)      over the channels of a group and all pixels of an image
 *     y = max(0, gain_c xhat + shift_c)
 *
 * Y. Wu, K. He, "Group Normalization", ECCV 2018: no statistics of a batch are kept, so training and evaluation are one.
 *
 *   x, y        float32 (planes, pixels); a plane is one channel of one image, group_planes of them are a group
 *   statistics  float2 (groups): mean, 1 / deviation
 *   parameters  float32: gain (channels) from gain_at on, then shift (channels)
 *   sums        float2 (planes): sum of g, sum of g xhat, with g = dL/dy where y > 0, else 0
 *   shares      float2 (groups): means of dL/dxhat and of xhat dL/dxhat
 *
 * Sums are taken by one work-group each, always in the same order.
 */
#ifndef TRAIN_GROUP
#define TRAIN_GROUP 64
#endif
#define TRAIN_EPSILON 1e-5f

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

kernel __attribute__((reqd_work_group_size(TRAIN_GROUP, 1, 1))) void
train_norm_statistics(global const float *restrict x, ulong count, global float2 *restrict statistics) {
    local float shares[TRAIN_GROUP];
    const ulong item = get_local_id(0), group = get_group_id(0), whole = count / 16 * 16;
    x += group * count;
    float16 wide = (float16)0.0f;
    float rest = 0.0f;
    for (ulong at = item * 16; at < whole; at += TRAIN_GROUP * 16)
        wide += vload16(0, x + at);
    for (ulong at = whole + item; at < count; at += TRAIN_GROUP)
        rest += x[at];
    SUM_OF_GROUP(shares, add_up(wide) + rest, sum);
    const float mean = sum / (float)count;
    wide = (float16)0.0f;
    rest = 0.0f;
    for (ulong at = item * 16; at < whole; at += TRAIN_GROUP * 16) {
        const float16 off = vload16(0, x + at) - (float16)mean;
        wide += off * off;
    }
    for (ulong at = whole + item; at < count; at += TRAIN_GROUP)
        rest += (x[at] - mean) * (x[at] - mean);
    SUM_OF_GROUP(shares, add_up(wide) + rest, squares);
    if (item == 0)
        statistics[group] = (float2)(mean, rsqrt(squares / (float)count + TRAIN_EPSILON));
}

/* Grid: (pixels, planes). */
kernel void train_norm_forward(global const float *restrict x, global const float2 *restrict statistics,
                               global const float *restrict parameters, ulong gain_at, ulong channels,
                               ulong group_planes, global float *restrict y) {
    const ulong plane = get_global_id(1), at = plane * get_global_size(0) + get_global_id(0);
    const ulong channel = plane % channels;
    const float2 of_group = statistics[plane / group_planes];
    const float scale = of_group.y * parameters[gain_at + channel];
    const float shift = parameters[gain_at + channels + channel] - of_group.x * scale;
    y[at] = fmax(0.0f, fma(x[at], scale, shift));
}

/* Grid: a work-group for each plane. */
kernel __attribute__((reqd_work_group_size(TRAIN_GROUP, 1, 1))) void
train_norm_sums(global const float *restrict x, global const float *restrict y, global const float *restrict dy,
                ulong pixels, global const float2 *restrict statistics, ulong group_planes,
                global float2 *restrict sums) {
    local float shares[TRAIN_GROUP];
    const ulong item = get_local_id(0), plane = get_group_id(0), whole = pixels / 16 * 16;
    const float2 of_group = statistics[plane / group_planes];
    x += plane * pixels;
    y += plane * pixels;
    dy += plane * pixels;
    float16 g_wide = (float16)0.0f, gx_wide = (float16)0.0f;
    float g_rest = 0.0f, gx_rest = 0.0f;
    for (ulong at = item * 16; at < whole; at += TRAIN_GROUP * 16) {
        const float16 g = select((float16)0.0f, vload16(0, dy + at), (int16)(vload16(0, y + at) > (float16)0.0f));
        g_wide += g;
        gx_wide += g * (vload16(0, x + at) - (float16)of_group.x);
    }
    for (ulong at = whole + item; at < pixels; at += TRAIN_GROUP) {
        const float g = y[at] > 0.0f ? dy[at] : 0.0f;
        g_rest += g;
        gx_rest += g * (x[at] - of_group.x);
    }
    SUM_OF_GROUP(shares, add_up(g_wide) + g_rest, g_sum);
    SUM_OF_GROUP(shares, (add_up(gx_wide) + gx_rest) * of_group.y, gx_sum);
    if (item == 0)
        sums[plane] = (float2)(g_sum, gx_sum);
}

/* Grid: (groups). */
kernel void train_norm_shares(global const float2 *restrict sums, global const float *restrict parameters,
                              ulong gain_at, ulong channels, ulong group_planes, ulong pixels,
                              global float2 *restrict shares) {
    const ulong group = get_global_id(0), first = group * group_planes;
    float2 share = (float2)0.0f;
    for (ulong i = first; i < first + group_planes; ++i)
        share += sums[i] * parameters[gain_at + i % channels];
    shares[group] = share / (float)(group_planes * pixels);
}

/* The parameters' gradient.  Grid: (channels). */
kernel void train_norm_parameters(global const float2 *restrict sums, ulong images, global float *restrict gradient,
                                  ulong gain_at) {
    const ulong channel = get_global_id(0), channels = get_global_size(0);
    float2 sum = (float2)0.0f;
    for (ulong i = 0; i < images; ++i)
        sum += sums[i * channels + channel];
    gradient[gain_at + channel] = sum.y;
    gradient[gain_at + channels + channel] = sum.x;
}

/* dL/dx, in place of dL/dy.  Grid: (pixels, planes). */
kernel void train_norm_backward(global const float *restrict x, global const float *restrict y,
                                global const float2 *restrict statistics, global const float *restrict parameters,
                                ulong gain_at, ulong channels, ulong group_planes, global const float2 *restrict shares,
                                global float *restrict gradient) {
    const ulong plane = get_global_id(1), at = plane * get_global_size(0) + get_global_id(0);
    const ulong group = plane / group_planes;
    const float2 of_group = statistics[group], share = shares[group];
    const float g = y[at] > 0.0f ? gradient[at] * parameters[gain_at + plane % channels] : 0.0f;
    const float xhat = (x[at] - of_group.x) * of_group.y;
    gradient[at] = of_group.y * (g - share.x - xhat * share.y);
}
