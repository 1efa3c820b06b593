/*
 * What the commands read: logits, labels, losses and class weights, in the form that the library takes.
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

struct labels {
    void *values;                   /* (planes, H, W), owned */
    uint64_t planes, height, width; /* images, or with binary losses images times classes */
    clmp_label_type type;
    size_t element; /* bytes */
};

/*
 * A .npy or PNG file, told by its first bytes.  It must have as many images as `logits`, none smaller than these, and,
 * for a binary loss, a label map for each class; NULL: any.
 */
bool labels_read(const char *path, const struct logits *logits, bool binary, struct labels *labels,
                 struct failure *failure);

uint64_t labels_pixels(const struct labels *labels);

/* The label of a pixel, of any type. */
int64_t labels_get(const struct labels *labels, uint64_t pixel);

struct losses {
    float *values; /* owned */
    struct npy_header header;
};

/* float32 of any shape; a negative one is a failure, which says where it is. */
bool losses_read(const char *path, struct losses *losses, struct failure *failure);

/* One finite value >= 0 for each class of `logits`, float32 or float64; to be freed. */
bool class_weights_read(const char *path, const struct logits *logits, float **weights, struct failure *failure);

#endif /* CLMP_CLI_TENSORS_H */
