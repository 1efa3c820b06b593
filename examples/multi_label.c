/* Many labels for a pixel: each class is a problem of its own, by sigmoid, with a map of 0 and 1; 255 says that nobody
 * knows.  All classes are one pool, so a rare class gets its share of the weight.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It prints:
 *     L = 0.1962 of 22 labels, 2 ignored
 *     person   0.018 0.004 0.018 0.072 0.072 0.018 0.004 0.004
 *     helmet   0.072 0.103 0.018 0.004 0.004 0.001 0.000 0.000
 *     bicycle  0.018 0.004 0.072 0.103 0.103 0.018 0.004 0.004
 */
#include <clmp/clmp.h>
#include <stdio.h>

enum { CLASSES = 3, WIDTH = 8 };

int main(void) {
    /* person, helmet, bicycle: a person can wear a helmet */
    const unsigned char labels[CLASSES][WIDTH] = {
        {1, 1, 1, 1, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 255, 255}, {0, 0, 0, 1, 1, 0, 0, 0}};
    const float logits[CLASSES][WIDTH] = {
        {4, 5, 4, 3, -3, -4, -5, -5}, {-3, -1, -4, -5, -5, -6, 0, 0}, {-4, -5, -3, 1, 2, -4, -5, -5}};
    float weights[CLASSES][WIDTH];

    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.loss = CLMP_LOSS_BINARY_CROSS_ENTROPY;
    params.classes = CLASSES;
    params.height = 1;
    params.width = WIDTH;
    clmp_context *context;
    clmp_plan *plan;
    if (clmp_context_open(NULL, NULL, &context) || clmp_plan_create(context, &params, &plan))
        return 1;
    cl_context cl = clmp_context_cl(context);
    cl_command_queue queue = clCreateCommandQueue(cl, clmp_context_device(context), 0, NULL);

    clmp_buffers b;
    clmp_buffers_init(&b);
    b.logits.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof logits, (void *)logits, NULL);
    b.labels.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof labels, (void *)labels, NULL);
    b.weights.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof weights, NULL, NULL);
    b.result.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, NULL);
    clmp_result result;
    if (clmp_enqueue_loss(plan, queue, &b, 0, NULL, NULL) ||
        clEnqueueReadBuffer(queue, b.result.mem, CL_TRUE, 0, sizeof result, &result, 0, NULL, NULL) ||
        clEnqueueReadBuffer(queue, b.weights.mem, CL_TRUE, 0, sizeof weights, weights, 0, NULL, NULL))
        return 1;
    printf("L = %.4f of %u labels, %u ignored\n", result.loss, (unsigned)result.valid, (unsigned)result.ignored);
    const char *const names[CLASSES] = {"person", "helmet", "bicycle"};
    for (int c = 0; c < CLASSES; ++c) {
        printf("%-8s", names[c]);
        for (int u = 0; u < WIDTH; ++u)
            printf(" %.3f", weights[c][u]);
        printf("\n");
    }

    clReleaseMemObject(b.logits.mem);
    clReleaseMemObject(b.labels.mem);
    clReleaseMemObject(b.weights.mem);
    clReleaseMemObject(b.result.mem);
    clReleaseCommandQueue(queue);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    return 0;
}
