/*
 * pictures - into the network, and out of it
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Bytes to about [-2, 2].  rgb: uint8 (images, height, width, 3); x: float32 (images, 3, height, width).
 * Grid: (height x width, images).
 */
kernel void train_image(global const uchar *restrict rgb, global float *restrict x) {
    const ulong pixel = get_global_id(0), pixels = get_global_size(0), image = get_global_id(1);
    const uchar3 bytes = vload3(image * pixels + pixel, rgb);
    const float3 values = convert_float3(bytes) * (4.0f / 255.0f) - 2.0f;
    x += image * 3 * pixels + pixel;
    x[0] = values.x;
    x[pixels] = values.y;
    x[2 * pixels] = values.z;
}

/*
 * The class with the largest logit, interpolated bilinearly as the loss has it.  logits: float32 (classes, rows,
 * columns) from logits_at on; classes_out: uint8 (height, width).  Grid: (width, height).
 */
kernel void train_predict(global const float *restrict logits, ulong logits_at, int classes, int rows, int columns,
                          global uchar *restrict classes_out) {
    const int x = (int)get_global_id(0), y = (int)get_global_id(1);
    const int width = (int)get_global_size(0), height = (int)get_global_size(1);
    const float at_y = fmax(0.0f, ((float)y + 0.5f) * (float)rows / (float)height - 0.5f);
    const float at_x = fmax(0.0f, ((float)x + 0.5f) * (float)columns / (float)width - 0.5f);
    const int y0 = min((int)at_y, rows - 1), x0 = min((int)at_x, columns - 1);
    const int y1 = min(y0 + 1, rows - 1), x1 = min(x0 + 1, columns - 1);
    const float share_y = at_y - (float)y0, share_x = at_x - (float)x0;
    float largest = -INFINITY;
    int best = 0;
    for (int c = 0; c < classes; ++c) {
        global const float *restrict plane = logits + logits_at + (ulong)c * rows * columns;
        const float top = mix(plane[y0 * columns + x0], plane[y0 * columns + x1], share_x);
        const float bottom = mix(plane[y1 * columns + x0], plane[y1 * columns + x1], share_x);
        const float value = mix(top, bottom, share_y);
        best = value > largest ? c : best;
        largest = fmax(largest, value);
    }
    classes_out[(ulong)y * width + x] = (uchar)best;
}
