/* How logits and gradients lie in memory: kernels/logits.clh.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_LOGITS_H
#define CLMP_LOGITS_H

#include "core/log.h"

#include <clmp/clmp.h>

/* Strides in elements.  A row is a run of pixels at one stride: of the image, or all of a plane where rows touch. */
struct clmp_logits {
    size_t element; /* bytes */
    uint64_t pixel_stride, class_stride, row_stride, image_stride;
    uint64_t rows, pixels; /* rows of a plane, pixels of a row */
    uint64_t bytes;        /* from the first element to the end of the last */
};

/* From params with logits_height and logits_width filled in.  Errors: INVALID_ARGUMENT, SIZE_OVERFLOW. */
clmp_status clmp_logits_lay_out(const clmp_plan_params *params, const struct clmp_log *log, struct clmp_logits *logits);

/* Whether each channel is a binary problem of its own. */
static inline bool clmp_is_binary(const clmp_plan_params *params) {
    return params->input == CLMP_INPUT_LOGITS &&
           (params->loss == CLMP_LOSS_BINARY_CROSS_ENTROPY || params->loss == CLMP_LOSS_BINARY_FOCAL);
}

enum { CLMP_LOGITS_MACROS = 160 };

/* The macros of kernels that read logits or write gradients. */
void clmp_logits_macros(const clmp_plan_params *params, const struct clmp_logits *logits,
                        char text[CLMP_LOGITS_MACROS]);

/* The type of labels in a kernel. */
const char *clmp_label_type_name(clmp_label_type type);

#endif
