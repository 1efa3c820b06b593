/* A training step in your own pipeline: your context, out-of-order queue and workspace, and events that lead from the
 * network's logits to their gradient, so that the host waits only for what it reads.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It prints:
 *     step 0: L = 1.0986, of 4096 pixels
 *     step 1: L = 0.7944, of 4096 pixels
 *     step 2: L = 0.5901, of 4096 pixels
 */
#include <clmp/clmp.h>
#include <stdio.h>
#include <stdlib.h>

/* OpenCL's errors, and clmp_status: 0 is success. */
#define CHECK(call) ((call) == 0 ? (void)0 : (fprintf(stderr, "failed: %s\n", #call), exit(1)))

enum { CLASSES = 3, HEIGHT = 64, WIDTH = 64, PIXELS = HEIGHT * WIDTH };

/* Why a call of the library failed, in words: a status does not say all. */
static void say(void *user, const char *message) {
    (void)user;
    fprintf(stderr, "libclmp: %s\n", message);
}

static cl_mem buffer(cl_context cl, size_t size) {
    cl_int error;
    cl_mem mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, size, NULL, &error);
    CHECK(error);
    return mem;
}

int main(void) {
    cl_platform_id platform;
    cl_device_id device;
    cl_int error;
    CHECK(clGetPlatformIDs(1, &platform, NULL));
    CHECK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL));
    cl_context cl = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    CHECK(error);
    cl_command_queue queue = clCreateCommandQueue(cl, device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &error);
    CHECK(error);
    clmp_context *context;
    clmp_context_params how;
    clmp_context_params_init(&how);
    how.log = say;
    clmp_plan *plan; /* made once for a shape; its steps allocate nothing */
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = CLASSES, params.height = HEIGHT, params.width = WIDTH;
    CHECK(clmp_context_create(cl, device, &how, &context));
    CHECK(clmp_plan_create(context, &params, &plan));
    clmp_buffers b;
    clmp_buffers_init(&b);
    b.logits.mem = buffer(cl, sizeof(float[CLASSES * PIXELS]));
    b.labels.mem = buffer(cl, PIXELS);
    b.result.mem = buffer(cl, sizeof(clmp_result));
    b.workspace.mem = buffer(cl, clmp_plan_workspace_size(plan));
    b.gradient = b.logits, b.in_place = true; /* the gradient overwrites the logits */
    b.gradient_scale = 1024.0f;               /* the loss scale of mixed precision */

    static float logits[CLASSES * PIXELS], gradient[CLASSES * PIXELS];
    static unsigned char labels[PIXELS];
    for (int u = 0; u < PIXELS; ++u)
        labels[u] = u % 100 == 7 ? 2 : u % 10 == 3; /* 89 %, 10 % and 1 % of the pixels */
    for (int step = 0; step < 3; ++step) {
        cl_event in[2], done, out; /* each command waits for what it needs, and for nothing else */
        clmp_result result;
        CHECK(clEnqueueWriteBuffer(queue, b.logits.mem, CL_FALSE, 0, sizeof logits, logits, 0, NULL, &in[0]));
        CHECK(clEnqueueWriteBuffer(queue, b.labels.mem, CL_FALSE, 0, sizeof labels, labels, 0, NULL, &in[1]));
        CHECK(clmp_enqueue_gradient(plan, queue, &b, 2, in, &done));
        CHECK(clEnqueueReadBuffer(queue, b.result.mem, CL_FALSE, 0, sizeof result, &result, 1, &done, &out));
        CHECK(clEnqueueReadBuffer(queue, b.gradient.mem, CL_TRUE, 0, sizeof gradient, gradient, 1, &out, NULL));
        printf("step %d: L = %.4f, of %u pixels\n", step, result.loss, (unsigned)result.valid);
        for (int i = 0; i < CLASSES * PIXELS; ++i)
            logits[i] -= 2.0f * gradient[i]; /* where a network would train */
        clReleaseEvent(in[0]), clReleaseEvent(in[1]), clReleaseEvent(done), clReleaseEvent(out);
    }
    clReleaseMemObject(b.logits.mem), clReleaseMemObject(b.labels.mem), clReleaseMemObject(b.result.mem);
    clReleaseMemObject(b.workspace.mem), clmp_plan_destroy(plan), clmp_context_destroy(context);
    return clReleaseCommandQueue(queue) || clReleaseContext(cl);
}
