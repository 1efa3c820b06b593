/* A classification head from inside.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_HEAD_INTERNAL_H
#define CLMP_HEAD_INTERNAL_H

#include "clmp/head.h"
#include "core/chain.h"
#include "core/log.h"

#include <sys/types.h>

enum clmp_head_kernel { CLMP_HEAD_BIAS, CLMP_HEAD_BIAS_GRADIENT, CLMP_HEAD_WEIGHT_GRADIENT, CLMP_HEAD_KERNELS };

struct clmp_head {
    clmp_plan *plan;     /* holds the context */
    struct clmp_log log; /* of the context */
    cl_context cl;
    cl_device_id device;
    pid_t process; /* OpenCL objects do not survive a fork */
    cl_kernel kernels[CLMP_HEAD_KERNELS];
    uint32_t group_size; /* of these */
    uint64_t images, classes, features;
    uint64_t pixels;       /* of an image's logits */
    uint64_t label_pixels; /* of the batch; of binary losses, of its channels */
    uint64_t label_size;   /* bytes */
    uint64_t slab_pixels;  /* 0: no slabs */
    size_t logits_size;    /* bytes */
    cl_mem logits;         /* of the batch, or of one slab */
    cl_mem products;       /* of each image, which the weight's gradient sums; NULL where they are made one by one */
    cl_mem workspace;      /* from the first step on that comes without one */
    cl_event last;         /* of the last step: the next one has the same logits */
};

/* A run of pixels whose logits are at hand: of one image, or of the whole batch. */
struct clmp_head_run {
    const clmp_head *head;
    const clmp_head_buffers *buffers;
    clmp_buffer logits; /* (images, C, pixels), and in place of them their gradient */
    uint64_t first_image, images;
    uint64_t first, pixels; /* of each image */
};

/* kernels.c: with work-groups as large as the device lets them be, up to those of the plan */
clmp_status clmp_head_create_kernels(clmp_head *head);

/* products.c: the logits; and from the gradient that stands in place of them, the gradients that are wanted, added up
 * over all runs that begin with the first pixel of the first image. */
clmp_status clmp_head_make_logits(struct clmp_chain *chain, const struct clmp_head_run *run);
clmp_status clmp_head_make_gradients(struct clmp_chain *chain, const struct clmp_head_run *run);

#endif
