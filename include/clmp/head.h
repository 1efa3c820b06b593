/*
 * libclmp - a classification head with its loss: logits = weight x features + bias, on CLBlast
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * This is a separate library, libclmp-head, which uses libclmp through its public interface.  It is built where CLBlast
 * is installed (-Dclblast=enabled); `pkg-config --libs clmp-head` says how to link it.
 *
 *     X[n, c, u] = sum_d W[c, d] F[n, d, u] + b[c]             logits, of the features F of image n at pixel u
 *     dF[n, d, u] = sum_c W[c, d] dX[n, c, u]                  with the gradient dX of clmp_enqueue_gradient()
 *     dW[c, d] = sum_{n, u} dX[n, c, u] F[n, d, u]
 *     db[c] = sum_{n, u} dX[n, c, u]
 *
 * Bits: the same device, CLBlast version and CLBlast tuning give the same bits.  With others, the matrix products
 * differ within float32's rounding, as GEMM does.  The loss and the gradient of given logits keep the library's
 * promise.
 *
 * Slabs: with slab_pixels 0 the head holds the logits of the whole batch, N C h w numbers, and, if there are several
 * images, a product for each, N C D numbers, whose sum is dW.  Otherwise it holds the logits of only slab_pixels pixels
 * of one image at a time: it computes the losses slab by slab; then the threshold, which needs all losses; then the
 * logits of each slab once more, for its gradient.  This takes four matrix products for a gradient instead of three,
 * and reads the features three times instead of twice.
 *
 * Errors, ownership, threads: as in clmp.h.  The enqueues of one head run one after another, as they share its logits.
 * CLBlast's products need work-groups of 64: on a device that allows fewer they fail with CLMP_OPENCL_ERROR.
 * CLBlast takes no list of events, so the head puts barriers around its kernels: on an out-of-order queue, work that is
 * enqueued later waits for the head.  CLBlast allocates memory where it pads matrices, and keeps the programs of a
 * context until CLBlastClearCache().  If a device's compiler refuses its kernels, CLBlast prints the compiler's output
 * to standard output.  Warnings that a compiler prints for kernels that it accepts (PoCL's on CPUs without AVX-512: "11
 * warnings generated.") can be kept off standard error by CLBLAST_BUILD_OPTIONS=" -w " in the environment; clmp-train
 * sets it.
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
    const clmp_plan_params *problem; /* with input logits, float32, NCHW, without row pitch or ranks; copied */
    uint64_t features;               /* D */
    uint64_t slab_pixels;            /* pixels of an image whose logits are held at a time, at most; 0: the whole
                                        batch.  Not with interpolation, nor with binary losses */
} clmp_head_params;

/* Writes defaults to the `size` bytes of `params`: no problem, features 0 (both to be set), slab_pixels 0. */
CLMP_API void clmp_head_params_init_sized(clmp_head_params *params, size_t size);
static inline void clmp_head_params_init(clmp_head_params *params) {
    clmp_head_params_init_sized(params, sizeof *params);
}

/*
 * Checks the problem, makes its plan, and allocates the logits and products.  Retains the context.  On success the
 * caller destroys `*head` with clmp_head_destroy(); on failure it is NULL.  Errors: those of clmp_plan_create().
 */
CLMP_API clmp_status clmp_head_create(clmp_context *context, const clmp_head_params *params, clmp_head **head);

/* Releases a head; work that is already enqueued still completes.  NULL is allowed. */
CLMP_API void clmp_head_destroy(clmp_head *head);

/* The head's plan, for clmp_plan_workspace_size() and clmp_plan_result_count(); it lives as long as the head. */
CLMP_API const clmp_plan *clmp_head_plan(const clmp_head *head);

/* Bytes of device memory that the head holds for logits; the products and the plan's workspace are not counted. */
CLMP_API size_t clmp_head_logits_size(const clmp_head *head);

/* The buffers that only a head has.  Outputs must not overlap anything else.  Kernels read weight_gradient, bias_gradient
 * and the logits of clmp_enqueue_head_logits() again: these must not be CL_MEM_WRITE_ONLY. */
typedef struct clmp_head_buffers {
    size_t struct_size;            /* set by clmp_head_buffers_init() */
    clmp_buffer features;          /* float32 (N, D, h, w) */
    clmp_buffer weight;            /* float32 (C, D) */
    clmp_buffer bias;              /* float32 (C); absent: 0 */
    clmp_buffer features_gradient; /* out, as features; if absent, not computed; the same holds for the next two */
    clmp_buffer weight_gradient;   /* out, as weight: overwritten, not added to */
    clmp_buffer bias_gradient;     /* out, as bias */
} clmp_head_buffers;

/* Sets the `size` bytes of `buffers` to absent. */
CLMP_API void clmp_head_buffers_init_sized(clmp_head_buffers *buffers, size_t size);
static inline void clmp_head_buffers_init(clmp_head_buffers *buffers) {
    clmp_head_buffers_init_sized(buffers, sizeof *buffers);
}

/*
 * Like the entries of clmp.h.  Of `buffers` they use labels, losses, weights, result, workspace, step and
 * gradient_scale; only clmp_enqueue_head_logits uses its logits, and none uses its gradient.
 *
 * clmp_enqueue_head_logits     In: features, weight, bias.  Out: buffers' logits of the whole batch, even with slabs.
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
