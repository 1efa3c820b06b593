/*
 * features - what the head sees: fine channels, and coarse ones at twice the distance, side by side
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   fine      float32 (images, fine_channels, height, width)
 *   coarse    float32 (images, coarse_channels, coarse_height, coarse_width), half of these, rounded up
 *   features  float32 (images, fine_channels + coarse_channels, height, width); pixel (y, x) of a coarse channel is
 *             (y / 2, x / 2) of `coarse`
 *
 * Grids: (height, images x channels) of what is written.
 */
kernel void train_features(global const float *restrict fine, global const float *restrict coarse, int fine_channels,
                           int coarse_channels, int height, int width, int coarse_height, int coarse_width,
                           global float *restrict features) {
    const int y = (int)get_global_id(0), plane = (int)get_global_id(1), channels = fine_channels + coarse_channels;
    const int image = plane / channels, channel = plane % channels;
    global float *restrict to = features + ((ulong)plane * height + y) * width;
    if (channel < fine_channels) {
        global const float *restrict from = fine + (((ulong)image * fine_channels + channel) * height + y) * width;
        for (int x = 0; x < width; ++x)
            to[x] = from[x];
        return;
    }
    global const float *restrict from =
        coarse +
        (((ulong)image * coarse_channels + channel - fine_channels) * coarse_height + y / 2) * coarse_width;
    for (int x = 0; x < width; ++x)
        to[x] = from[x / 2];
}

kernel void train_features_fine(global const float *restrict gradient, int fine_channels, int coarse_channels,
                                int height, int width, global float *restrict fine) {
    const int y = (int)get_global_id(0), plane = (int)get_global_id(1);
    const int from_plane = plane / fine_channels * (fine_channels + coarse_channels) + plane % fine_channels;
    global const float *restrict from = gradient + ((ulong)from_plane * height + y) * width;
    global float *restrict to = fine + ((ulong)plane * height + y) * width;
    for (int x = 0; x < width; ++x)
        to[x] = from[x];
}

kernel void train_features_coarse(global const float *restrict gradient, int fine_channels, int coarse_channels,
                                  int height, int width, int coarse_width, global float *restrict coarse) {
    const int y = (int)get_global_id(0), plane = (int)get_global_id(1);
    const int from_plane =
        plane / coarse_channels * (fine_channels + coarse_channels) + fine_channels + plane % coarse_channels;
    global const float *restrict from = gradient + ((ulong)from_plane * height + 2 * y) * width;
    global float *restrict to = coarse + ((ulong)plane * get_global_size(0) + y) * coarse_width;
    const bool two = 2 * y + 1 < height;
    for (int x = 0; x < coarse_width; ++x) {
        float sum = from[2 * x] + (two ? from[width + 2 * x] : 0.0f);
        if (2 * x + 1 < width)
            sum += from[2 * x + 1] + (two ? from[width + 2 * x + 1] : 0.0f);
        to[x] = sum;
    }
}
