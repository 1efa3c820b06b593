/*
 * What a run is trained with, in a word: WEIGHTING[:KEY=VALUE]...[+CLASS_WEIGHTS].
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     uniform    lmp:p=1.7:support=0.25    topk:support=0.25    uniform+median-sqrt    lmp:p=1.3+median-sqrt
 *
 * Keys: p, support, scope (batch, image), count, thresh, min-kept, sampling (even, under, over), loss (cross-entropy,
 * focal), gamma, label-smoothing.  Class weights are counted on the training split: inverse, inverse-sqrt, median,
 * median-sqrt, enet, effective.
 */
#ifndef CLMP_TRAIN_SPEC_H
#define CLMP_TRAIN_SPEC_H

#include "fail.h"

#include <clmp/clmp.h>

enum { SPEC_TEXT = 128 };

struct spec {
    char text[SPEC_TEXT];   /* as it was given */
    char folder[SPEC_TEXT]; /* the same as a file name */
    clmp_plan_params params;
    bool class_weighted;
    clmp_class_scheme scheme;
};

bool spec_read(const char *text, size_t length, struct spec *spec, struct failure *failure);

/* A list with commas between; to be freed. */
bool specs_read(const char *text, struct spec **specs, size_t *count, struct failure *failure);

/* Whether two differ at most in settings: they have the same weighting, loss and class weights. */
bool spec_same_family(const struct spec *one, const struct spec *two);

#endif /* CLMP_TRAIN_SPEC_H */
