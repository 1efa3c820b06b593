/* The last layer of a network and its loss in one call: features, a weight and a bias in, their gradients out.  The
 * logits of at most 32 pixels are held at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It prints:
 *     step 0: L = 0.6931
 *     step 1: L = 0.5125
 *     step 2: L = 0.2115
 *     step 3: L = 0.1458
 */
#include <clmp/head.h>
#include <stdio.h>

enum { FEATURES = 4, CLASSES = 2, PIXELS = 64 };

int main(void) {
    static float features[FEATURES][PIXELS];
    static unsigned char labels[PIXELS];
    float weight[CLASSES][FEATURES] = {{0}}, bias[CLASSES] = {0}, weight_gradient[CLASSES][FEATURES], bias_gradient[2];
    for (int u = 0; u < PIXELS; ++u) {
        labels[u] = u % 8 == 0; /* class 1 is an eighth of the pixels, and feature 1 tells it */
        for (int d = 0; d < FEATURES; ++d)
            features[d][u] = d == labels[u] ? 1.0f : (float)(u % (d + 2)) / 8.0f;
    }

    clmp_plan_params problem;
    clmp_plan_params_init(&problem);
    problem.classes = CLASSES;
    problem.height = 8;
    problem.width = 8;
    clmp_head_params params;
    clmp_head_params_init(&params);
    params.problem = &problem;
    params.features = FEATURES;
    params.slab_pixels = 32;
    clmp_context *context;
    clmp_head *head;
    if (clmp_context_open(NULL, NULL, &context) || clmp_head_create(context, &params, &head))
        return 1;
    cl_context cl = clmp_context_cl(context);
    cl_command_queue queue = clCreateCommandQueue(cl, clmp_context_device(context), 0, NULL);

    clmp_buffers b; /* what a plan takes, but for logits and gradient */
    clmp_buffers_init(&b);
    b.labels.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof labels, labels, NULL);
    b.result.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, NULL);
    clmp_head_buffers hb;
    clmp_head_buffers_init(&hb);
    hb.features.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof features, features, NULL);
    hb.weight.mem = clCreateBuffer(cl, CL_MEM_READ_ONLY, sizeof weight, NULL, NULL);
    hb.bias.mem = clCreateBuffer(cl, CL_MEM_READ_ONLY, sizeof bias, NULL, NULL);
    hb.weight_gradient.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof weight_gradient, NULL, NULL);
    hb.bias_gradient.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof bias_gradient, NULL, NULL);
    for (int step = 0; step < 4; ++step) {
        clmp_result result;
        if (clEnqueueWriteBuffer(queue, hb.weight.mem, CL_TRUE, 0, sizeof weight, weight, 0, NULL, NULL) ||
            clEnqueueWriteBuffer(queue, hb.bias.mem, CL_TRUE, 0, sizeof bias, bias, 0, NULL, NULL) ||
            clmp_enqueue_head_gradient(head, queue, &hb, &b, 0, NULL, NULL) ||
            clEnqueueReadBuffer(queue, b.result.mem, CL_TRUE, 0, sizeof result, &result, 0, NULL, NULL) ||
            clEnqueueReadBuffer(queue, hb.weight_gradient.mem, CL_TRUE, 0, sizeof weight, weight_gradient, 0, NULL,
                                NULL) ||
            clEnqueueReadBuffer(queue, hb.bias_gradient.mem, CL_TRUE, 0, sizeof bias, bias_gradient, 0, NULL, NULL))
            return 1;
        printf("step %d: L = %.4f\n", step, result.loss);
        for (int c = 0; c < CLASSES; ++c) {
            bias[c] -= 2.0f * bias_gradient[c];
            for (int d = 0; d < FEATURES; ++d)
                weight[c][d] -= 2.0f * weight_gradient[c][d];
        }
    }

    clReleaseMemObject(b.labels.mem);
    clReleaseMemObject(b.result.mem);
    clReleaseMemObject(hb.features.mem);
    clReleaseMemObject(hb.weight.mem);
    clReleaseMemObject(hb.bias.mem);
    clReleaseMemObject(hb.weight_gradient.mem);
    clReleaseMemObject(hb.bias_gradient.mem);
    clReleaseCommandQueue(queue);
    clmp_head_destroy(head);
    clmp_context_destroy(context);
    return 0;
}
