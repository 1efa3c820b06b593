/* Logits at a quarter of the labels' size: the library interpolates them within the loss, as PyTorch's
 * interpolate(mode='bilinear') would, and the gradient comes back at the size of the logits.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It prints:
 *     step 0: L = 0.6931
 *     step 1: L = 0.3291
 *     step 2: L = 0.2488
 *     class 1 minus class 0:
 *      -2.07  -2.20  -2.09  -2.00
 *      -2.20   0.68  -1.71  -2.04
 *      -2.09  -1.71  -2.03  -2.01
 *      -2.00  -2.04  -2.01  -2.00
 */
#include <clmp/clmp.h>
#include <stdio.h>

enum { CLASSES = 2, H = 16, W = 16, h = 4, w = 4 };

int main(void) {
    static float logits[CLASSES][h][w], gradient[CLASSES][h][w];
    static unsigned char labels[H][W]; /* class 1 is a small square, class 0 all the rest */
    for (int y = 5; y < 8; ++y)
        for (int x = 5; x < 8; ++x)
            labels[y][x] = 1;

    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = CLASSES;
    params.height = H;
    params.width = W;
    params.logits_height = h;
    params.logits_width = w;
    clmp_context *context;
    clmp_plan *plan;
    if (clmp_context_open(NULL, NULL, &context) || clmp_plan_create(context, &params, &plan))
        return 1;
    cl_context cl = clmp_context_cl(context);
    cl_command_queue queue = clCreateCommandQueue(cl, clmp_context_device(context), 0, NULL);

    clmp_buffers b;
    clmp_buffers_init(&b);
    b.logits.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof logits, logits, NULL);
    b.labels.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof labels, labels, NULL);
    b.gradient.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof gradient, NULL, NULL);
    b.result.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, NULL);
    for (int step = 0; step < 3; ++step) {
        clmp_result result;
        if (clEnqueueWriteBuffer(queue, b.logits.mem, CL_TRUE, 0, sizeof logits, logits, 0, NULL, NULL) ||
            clmp_enqueue_gradient(plan, queue, &b, 0, NULL, NULL) ||
            clEnqueueReadBuffer(queue, b.result.mem, CL_TRUE, 0, sizeof result, &result, 0, NULL, NULL) ||
            clEnqueueReadBuffer(queue, b.gradient.mem, CL_TRUE, 0, sizeof gradient, gradient, 0, NULL, NULL))
            return 1;
        printf("step %d: L = %.4f\n", step, result.loss);
        for (int c = 0; c < CLASSES; ++c)
            for (int i = 0; i < h; ++i)
                for (int j = 0; j < w; ++j)
                    logits[c][i][j] -= 20.0f * gradient[c][i][j];
    }
    printf("class 1 minus class 0:\n");
    for (int i = 0; i < h; ++i)
        for (int j = 0; j < w; ++j)
            printf("%6.2f%c", logits[1][i][j] - logits[0][i][j], j + 1 < w ? ' ' : '\n');

    clReleaseMemObject(b.logits.mem);
    clReleaseMemObject(b.labels.mem);
    clReleaseMemObject(b.gradient.mem);
    clReleaseMemObject(b.result.mem);
    clReleaseCommandQueue(queue);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    return 0;
}
