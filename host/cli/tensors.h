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
    float *values; /* (N, C, h, w), owned */
    struct npy_header header;
    uint64_t images, classes, height, width;
    const char *path;
};

/* (C, h, w) or (N, C, h, w), float32 or float16. */
bool logits_read(const char *path, struct logits *logits, struct failure *failure);

struct labels {
    void *values; /* (N, H, W), owned */
    uint64_t images, height, width;
    clmp_label_type type;
    size_t element; /* bytes */
};

/* A .npy or PNG file, told by its first bytes, with as many images as `logits`, none smaller than these; NULL: any. */
bool labels_read(const char *path, const struct logits *logits, struct labels *labels, struct failure *failure);

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
