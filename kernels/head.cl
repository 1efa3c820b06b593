/*
 * head - the bias of a classification head, its gradient, and the last sum of the weight's
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * CLBlast multiplies matrices; these are what it leaves.
 *
 *     X[n, c, u] = b[c]            for the product to be added to, or 0
 *     db[c] (+)= sum_{n, u} dX[n, c, u]
 *     dW[c, d] = sum_n (dX_n F_n^T)[c, d]
 *
 *   bias      float32 (classes), from bias_at on; not read where has_bias is 0
 *   logits    float32 (images, classes, pixels), from logits_at on
 *   gradient  likewise, from gradient_at on
 *   products  float32 (images, numbers): what CLBlast made of each image, of classes x features numbers
 *   sums      float32 (classes) or (numbers), from sums_at on, out; added to where `more` is not 0
 *
 * Grids: (pixels rounded up to work-groups, images x classes); (work-group, classes); (numbers rounded up, 1).
 */
#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_head_bias(global const float *bias, ulong bias_at, int has_bias, ulong classes, ulong pixels, global float *logits,
               ulong logits_at) {
    const ulong pixel = get_global_id(0), plane = get_global_id(1);
    if (pixel < pixels)
        logits[logits_at + plane * pixels + pixel] = has_bias ? bias[bias_at + plane % classes] : 0.0f;
}

/* Every work-item adds up 16 columns of its own, and the first one what all of them have: always in the same order. */
kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_head_bias_gradient(global const float *gradient, ulong gradient_at, ulong images, ulong classes, ulong pixels,
                        global float *sums, ulong sums_at, int more) {
    local float shares[CLMP_GROUP];
    const ulong class_id = get_global_id(1), item = get_local_id(0);
    float16 wide = (float16)0.0f;
    float rest = 0.0f;
    for (ulong image = 0; image < images; ++image) {
        global const float *plane = gradient + gradient_at + (image * classes + class_id) * pixels;
        for (ulong at = item * 16; at + 16 <= pixels; at += CLMP_GROUP * 16)
            wide += vload16(0, plane + at);
        for (ulong at = pixels / 16 * 16 + item; at < pixels; at += CLMP_GROUP)
            rest += plane[at];
    }
    float lanes[16]; /* Oclgrind 21.10 takes a lane of wide.hi for undefined */
    vstore16(wide, 0, lanes);
    const float8 half_wide = vload8(0, lanes) + vload8(1, lanes);
    const float4 quarter = half_wide.lo + half_wide.hi;
    shares[item] = (quarter.x + quarter.y) + (quarter.z + quarter.w) + rest;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
        float sum = 0.0f;
        for (int i = 0; i < CLMP_GROUP; ++i)
            sum += shares[i];
        sums[sums_at + class_id] = more ? sums[sums_at + class_id] + sum : sum;
    }
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_head_weight_gradient(global const float *products, ulong images, ulong numbers, global float *sums,
                          ulong sums_at) {
    const ulong i = get_global_id(0);
    if (i >= numbers)
        return;
    float sum = products[i];
    for (ulong image = 1; image < images; ++image)
        sum += products[image * numbers + i];
    sums[sums_at + i] = sum;
}
