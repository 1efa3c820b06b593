/* Bring your own loss: the library pools the losses that you computed, and you multiply your gradient by its weights.
 * Here the loss is a squared error of depths, where a few pixels at edges are far off.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It prints:
 *     L = 0.339435, where the mean would be 0.153
 *     loss 0.01  weight 0.067  gradient +0.013
 *     loss 0.00  weight 0.000  gradient +0.000
 *     loss 0.00  weight 0.000  gradient +0.000
 *     loss 0.49  weight 0.226  gradient +0.316
 *     loss 1.00  weight 0.226  gradient -0.452
 *     loss 0.01  weight 0.067  gradient -0.013
 *     loss 0.00  weight 0.000  gradient +0.000
 *     loss 0.01  weight 0.067  gradient -0.013
 *     loss 0.00  weight 0.000  gradient +0.000
 *     loss 0.01  weight 0.067  gradient +0.013
 */
#include <clmp/clmp.h>
#include <stdio.h>

enum { PIXELS = 10 };

int main(void) {
    const float truth[PIXELS] = {1.0f, 1.1f, 1.2f, 1.3f, 4.0f, 4.1f, 4.2f, 4.3f, 4.4f, 4.5f};
    const float depth[PIXELS] = {1.1f, 1.1f, 1.2f, 2.0f, 3.0f, 4.0f, 4.2f, 4.2f, 4.4f, 4.6f};
    float losses[PIXELS], weights[PIXELS], gradient[PIXELS], sum = 0.0f;
    for (int u = 0; u < PIXELS; ++u) {
        losses[u] = (depth[u] - truth[u]) * (depth[u] - truth[u]); /* any loss that is never negative */
        sum += losses[u];
    }

    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.input = CLMP_INPUT_LOSSES;
    params.height = 1;
    params.width = PIXELS;
    clmp_context *context;
    clmp_plan *plan;
    if (clmp_context_open(NULL, NULL, &context) || clmp_plan_create(context, &params, &plan))
        return 1;
    cl_context cl = clmp_context_cl(context);
    cl_command_queue queue = clCreateCommandQueue(cl, clmp_context_device(context), 0, NULL);

    clmp_buffers b;
    clmp_buffers_init(&b);
    b.losses.mem = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof losses, losses, NULL);
    b.weights.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof weights, NULL, NULL);
    b.result.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, NULL);
    clmp_result result;
    if (clmp_enqueue_weights(plan, queue, &b, 0, NULL, NULL) ||
        clEnqueueReadBuffer(queue, b.result.mem, CL_TRUE, 0, sizeof result, &result, 0, NULL, NULL) ||
        clEnqueueReadBuffer(queue, b.weights.mem, CL_TRUE, 0, sizeof weights, weights, 0, NULL, NULL))
        return 1;

    /* L is a maximum over weights, so its gradient is that of the losses with the weights held constant. */
    for (int u = 0; u < PIXELS; ++u)
        gradient[u] = weights[u] * 2.0f * (depth[u] - truth[u]);
    printf("L = %g, where the mean would be %.3f\n", result.loss, (double)(sum / PIXELS));
    for (int u = 0; u < PIXELS; ++u)
        printf("loss %.2f  weight %.3f  gradient %+.3f\n", losses[u], weights[u], gradient[u]);

    clReleaseMemObject(b.losses.mem);
    clReleaseMemObject(b.weights.mem);
    clReleaseMemObject(b.result.mem);
    clReleaseCommandQueue(queue);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    return 0;
}
