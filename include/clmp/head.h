/*
 * libclmp - a classification head with its loss: logits = weight x features + bias, on CLBlast
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A library of its own on libclmp's public interface, built where CLBlast is (-Dclblast=enabled): link libclmp-head, by
 * `pkg-config --libs clmp-head`.
 *
 *     X[n, c, u] = sum_d W[c, d] F[n, d, u] + b[c]             logits, of the features F of image n at pixel u
 *     dF[n, d, u] = sum_c W[c, d] dX[n, c, u]                  with the gradient dX of clmp_enqueue_gradient()
 *     dW[c, d] = sum_{n, u} dX[n, c, u] F[n, d, u]
 *     db[c] = sum_{n, u} dX[n, c, u]
 *
 * What is promised of bits: the same device, CLBlast and tuning of CLBlast give the same bits; the products of other
 * ones differ within float32's rounding, as GEMM does.  The loss and the gradient of given logits keep the library's
 * promise.
 *
 * Slabs: with slab_pixels 0 the logits of the whole batch are held, N C h w numbers, and, where there are several
 * images, a product of each, N C D numbers, whose sum is dW.  Else only those of slab_pixels pixels of one image are:
 * first the losses, slab by slab; then the threshold, which needs all of them; then each slab's logits once more, for
 * its gradient.  A gradient then takes four products of matrices where it took three, and the features are read three
 * times instead of two.
 *
 * Errors, ownership, threads: as in clmp.h.  The enqueues of one head run one after another, as they share its logits.
 * CLBlast's products need work-groups of 64: on a device that allows fewer they fail, with CLMP_OPENCL_ERROR.
 * CLBlast takes no list of events, so there are barriers around its kernels: on an out-of-order queue, work that is
 * enqueued later waits for the head.  CLBlast allocates where it pads matrices, keeps the programs of a context until
 * CLBlastClearCache(), and, should a device's compiler refuse its kernels, prints the compiler's words to standard
 * output.  What a compiler says of CLBlast's kernels where it takes them (PoCL's on CPUs without AVX-512: "11 warnings
 * generated.") is kept off standard error by CLBLAST_BUILD_OPTIONS=" -w " in the environment, as clmp-train sets it.
 */
#ifndef CLMP_HEAD_H
#define CLMP_HEAD_H

#include "clmp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clmp_head clmp_head;

typedef struct clmp_head_params {
    size_t struct_size;              /* set by clmp_head_params_init() */
    const clmp_plan_params *problem; /* of input logits, float32, NCHW, without row pitch; copied */
    uint64_t features;               /* D */
    uint64_t slab_pixels;            /* at most so many pixels of an image have logits at a time; 0: all of the batch.
                                        Not with interpolation, nor with binary losses */
} clmp_head_params;

/* Writes defaults to the `size` bytes of `params`: no problem, features 0 (both to be set), slab_pixels 0. */
CLMP_API void clmp_head_params_init_sized(clmp_head_params *params, size_t size);
static inline void clmp_head_params_init(clmp_head_params *params) {
    clmp_head_params_init_sized(params, sizeof *params);
}

/*
 * Checks the problem, makes its plan, and allocates the logits and products.  Retains the context.  On success `*head`
 * is to be destroyed with clmp_head_destroy(); on failure it is NULL.  Errors: those of clmp_plan_create().
 */
CLMP_API clmp_status clmp_head_create(clmp_context *context, const clmp_head_params *params, clmp_head **head);

/* Releases a head; work that is still enqueued completes.  NULL is allowed. */
CLMP_API void clmp_head_destroy(clmp_head *head);

/* The head's plan, for clmp_plan_workspace_size() and clmp_plan_result_count(); it lives as long as the head. */
CLMP_API const clmp_plan *clmp_head_plan(const clmp_head *head);

/* Bytes of device memory that the head holds for logits, besides those products and a plan's workspace. */
CLMP_API size_t clmp_head_logits_size(const clmp_head *head);

/* Of the head alone.  Outputs must not overlap anything else. */
typedef struct clmp_head_buffers {
    size_t struct_size;            /* set by clmp_head_buffers_init() */
    clmp_buffer features;          /* float32 (N, D, h, w) */
    clmp_buffer weight;            /* float32 (C, D) */
    clmp_buffer bias;              /* float32 (C); absent: 0 */
    clmp_buffer features_gradient; /* out, as features; absent: not computed, as the next two */
    clmp_buffer weight_gradient;   /* out, as weight: overwritten, not added to */
    clmp_buffer bias_gradient;     /* out, as bias */
} clmp_head_buffers;

/* Sets the `size` bytes of `buffers` to absent. */
CLMP_API void clmp_head_buffers_init_sized(clmp_head_buffers *buffers, size_t size);
static inline void clmp_head_buffers_init(clmp_head_buffers *buffers) {
    clmp_head_buffers_init_sized(buffers, sizeof *buffers);
}

/*
 * As the entries of clmp.h, of `buffers`: labels, losses, weights, result, workspace, step and gradient_scale.  Its
 * logits and gradient are not looked at, but for clmp_enqueue_head_logits.
 *
 * clmp_enqueue_head_logits     In: features, weight, bias.  Out: buffers' logits, of the whole batch, slabs or not.
 * clmp_enqueue_head_loss       In: features, weight, bias, labels.  Out: losses, weights (may be absent), result.
 * clmp_enqueue_head_gradient   as clmp_enqueue_head_loss, and out: those of the three gradients that are present.
 */
CLMP_API clmp_status clmp_enqueue_head_logits(clmp_head *head, cl_command_queue queue,
                                              const clmp_head_buffers *head_buffers, const clmp_buffers *buffers,
                                              cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_head_loss(clmp_head *head, cl_command_queue queue,
                                            const clmp_head_buffers *head_buffers, const clmp_buffers *buffers,
                                            cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_head_gradient(clmp_head *head, cl_command_queue queue,
                                                const clmp_head_buffers *head_buffers, const clmp_buffers *buffers,
                                                cl_uint num_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif

#endif /* CLMP_HEAD_H */
