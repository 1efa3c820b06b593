/*
 * What the commands read: logits, losses and class weights, in the form that the library takes; labels.h has labels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_TENSORS_H
#define CLMP_CLI_TENSORS_H

#include "npy.h"

#include <clmp/clmp.h>

struct logits {
    void *values; /* as they are in the file, owned */
    struct npy_header header;
    clmp_float_type type;
    clmp_layout layout;
    bool layout_given; /* by who knows; else the other one is thought of where this does not fit */
    uint64_t images, classes, height, width;
    size_t bytes;
    const char *path;
};

/* (C, h, w) or (N, C, h, w), with NHWC (h, w, C) or (N, h, w, C), float32 or float16. */
bool logits_read(const char *path, clmp_layout layout, struct logits *logits, struct failure *failure);

/* Writes the logits' own shape, type and layout into params. */
void logits_describe(const struct logits *logits, clmp_plan_params *params);

/* Whether each class has a label map of its own. */
bool loss_is_binary(clmp_loss loss);

struct losses {
    float *values; /* owned */
    struct npy_header header;
};

/* float32 of any shape; a negative one is a failure, which says where it is. */
bool losses_read(const char *path, struct losses *losses, struct failure *failure);

/* One finite value >= 0 for each class of `logits`, float32 or float64; to be freed. */
bool class_weights_read(const char *path, const struct logits *logits, float **weights, struct failure *failure);

#endif /* CLMP_CLI_TENSORS_H */
