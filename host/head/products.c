/* A head's products of matrices, by CLBlast, and what it leaves to kernels/head.cl.  SPDX-License-Identifier:
 * Apache-2.0
 */
#include "head/head_internal.h"

#include <clblast_c.h>

/* Matrices by rows, one for each image: the distances from a row to the next and from a matrix to the next, in numbers.
 */
struct matrix {
    clmp_buffer at;
    size_t row, image;
    bool transposed; /* before they are multiplied */
};

/* On what follows in the queue, for these events; none: for all that is in the queue so far. */
static clmp_status barrier(const struct clmp_chain *chain, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    const cl_int error = clEnqueueBarrierWithWaitList(chain->queue, wait_count, wait, event);
    return error == CL_SUCCESS ? CLMP_OK : clmp_fail_cl(chain->log, error, "clEnqueueBarrierWithWaitList");
}

/* CLBlast's kernels wait for nothing themselves. */
static clmp_status barrier_before(struct clmp_chain *chain) {
    cl_uint wait_count = 0;
    const cl_event *wait = clmp_chain_wait(chain, &wait_count);
    cl_event event = NULL;
    const clmp_status status = barrier(chain, wait_count, wait, &event);
    if (status == CLMP_OK)
        clmp_chain_advance(chain, event);
    return status;
}

/* What follows must wait for all of CLBlast's kernels; and fail where what came before them did, which they do not say.
 */
static clmp_status barrier_behind(struct clmp_chain *chain) {
    cl_event all = NULL, event = NULL;
    clmp_status status = barrier(chain, 0, NULL, &all);
    if (status != CLMP_OK)
        return status;
    const cl_event both[] = {chain->last, all};
    status = barrier(chain, 2, both, &event);
    clReleaseEvent(all);
    if (status == CLMP_OK)
        clmp_chain_advance(chain, event);
    return status;
}

/* c = a b + beta c for each image; a is m x k and b k x n, as multiplied. */
static clmp_status multiply(struct clmp_chain *chain, size_t images, size_t m, size_t n, size_t k, struct matrix a,
                            struct matrix b, float beta, struct matrix c) {
    const clmp_status status = barrier_before(chain);
    if (status != CLMP_OK)
        return status;
    const CLBlastTranspose of_a = a.transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose of_b = b.transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t a_at = a.at.offset / sizeof(float), b_at = b.at.offset / sizeof(float);
    const size_t c_at = c.at.offset / sizeof(float);
    /* by columns, that is c' = b' a', which CLBlast's kernel needs not transpose; and the images at once: products this
     * small take less time than a call */
    const CLBlastStatusCode code =
        images == 1 ? CLBlastSgemm(CLBlastLayoutColMajor, of_b, of_a, n, m, k, 1.0f, b.at.mem, b_at, b.row, a.at.mem,
                                   a_at, a.row, beta, c.at.mem, c_at, c.row, &chain->queue, NULL)
                    : CLBlastSgemmStridedBatched(CLBlastLayoutColMajor, of_b, of_a, n, m, k, 1.0f, b.at.mem, b_at,
                                                 b.row, b.image, a.at.mem, a_at, a.row, a.image, beta, c.at.mem, c_at,
                                                 c.row, c.image, images, &chain->queue, NULL);
    if (code != CLBlastSuccess && code > -100) /* one of OpenCL's own */
        return clmp_fail_cl(chain->log, (cl_int)code, "a product of CLBlast");
    if (code != CLBlastSuccess)
        return clmp_fail(chain->log, CLMP_OPENCL_ERROR, "a product of CLBlast failed with status %d", (int)code);
    return barrier_behind(chain);
}

static struct matrix features_of(const struct clmp_head_run *run, clmp_buffer features) {
    const clmp_head *head = run->head;
    const uint64_t image = head->features * head->pixels; /* numbers */
    features.offset += (size_t)(run->first_image * image + run->first) * sizeof(float);
    return (struct matrix){features, (size_t)head->pixels, (size_t)image, false};
}

static struct matrix logits_of(const struct clmp_head_run *run) {
    return (struct matrix){run->logits, (size_t)run->pixels, (size_t)(run->head->classes * run->pixels), false};
}

static struct matrix weight_of(const struct clmp_head_run *run, clmp_buffer weight) {
    return (struct matrix){weight, (size_t)run->head->features, 0, false};
}

clmp_status clmp_head_make_logits(struct clmp_chain *chain, const struct clmp_head_run *run) {
    const clmp_head *head = run->head;
    const clmp_buffer bias = run->buffers->bias;
    struct clmp_arguments arguments = clmp_arguments_of(head->kernels[CLMP_HEAD_BIAS]);
    clmp_argument_floats(&arguments, bias.mem != NULL ? bias : run->logits);
    clmp_argument_int(&arguments, bias.mem != NULL);
    clmp_argument_ulong(&arguments, head->classes);
    clmp_argument_ulong(&arguments, run->pixels);
    clmp_argument_floats(&arguments, run->logits);
    const clmp_status status =
        clmp_chain_launch(chain, &arguments, run->pixels, run->images * head->classes, head->group_size);
    if (status != CLMP_OK)
        return status;
    return multiply(chain, (size_t)run->images, (size_t)head->classes, (size_t)run->pixels, (size_t)head->features,
                    weight_of(run, run->buffers->weight), features_of(run, run->buffers->features), 1.0f,
                    logits_of(run));
}

/* dF = W^T dX. */
static clmp_status make_features_gradient(struct clmp_chain *chain, const struct clmp_head_run *run) {
    struct matrix weight = weight_of(run, run->buffers->weight);
    weight.transposed = true;
    return multiply(chain, (size_t)run->images, (size_t)run->head->features, (size_t)run->pixels,
                    (size_t)run->head->classes, weight, logits_of(run), 0.0f,
                    features_of(run, run->buffers->features_gradient));
}

/* dW = sum dX F^T, of several images by way of a product of each. */
static clmp_status make_weight_gradient(struct clmp_chain *chain, const struct clmp_head_run *run, bool more) {
    const clmp_head *head = run->head;
    const size_t classes = (size_t)head->classes, features = (size_t)head->features;
    struct matrix from = features_of(run, run->buffers->features);
    struct matrix to = weight_of(run, run->buffers->weight_gradient);
    from.transposed = true;
    if (run->images > 1)
        to = (struct matrix){{head->products, 0}, features, classes * features, false};
    const clmp_status status = multiply(chain, (size_t)run->images, classes, features, (size_t)run->pixels,
                                        logits_of(run), from, more ? 1.0f : 0.0f, to);
    if (status != CLMP_OK || run->images == 1)
        return status;
    struct clmp_arguments arguments = clmp_arguments_of(head->kernels[CLMP_HEAD_WEIGHT_GRADIENT]);
    clmp_argument_mem(&arguments, head->products);
    clmp_argument_ulong(&arguments, run->images);
    clmp_argument_ulong(&arguments, to.image);
    clmp_argument_floats(&arguments, run->buffers->weight_gradient);
    return clmp_chain_launch(chain, &arguments, to.image, 1, head->group_size);
}

static clmp_status make_bias_gradient(struct clmp_chain *chain, const struct clmp_head_run *run, bool more) {
    const clmp_head *head = run->head;
    struct clmp_arguments arguments = clmp_arguments_of(head->kernels[CLMP_HEAD_BIAS_GRADIENT]);
    clmp_argument_floats(&arguments, run->logits);
    clmp_argument_ulong(&arguments, run->images);
    clmp_argument_ulong(&arguments, head->classes);
    clmp_argument_ulong(&arguments, run->pixels);
    clmp_argument_floats(&arguments, run->buffers->bias_gradient);
    clmp_argument_int(&arguments, more);
    return clmp_chain_launch(chain, &arguments, head->group_size, head->classes, head->group_size);
}

clmp_status clmp_head_make_gradients(struct clmp_chain *chain, const struct clmp_head_run *run) {
    const clmp_head_buffers *buffers = run->buffers;
    const bool more = run->first_image > 0 || run->first > 0; /* than the first part of the sums over pixels */
    clmp_status status = CLMP_OK;
    if (buffers->features_gradient.mem != NULL)
        status = make_features_gradient(chain, run);
    if (status == CLMP_OK && buffers->weight_gradient.mem != NULL)
        status = make_weight_gradient(chain, run, more);
    if (status == CLMP_OK && buffers->bias_gradient.mem != NULL)
        status = make_bias_gradient(chain, run, more);
    return status;
}
