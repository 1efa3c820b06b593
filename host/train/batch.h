/*
 * The images of each step: which ones, and how they are changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_BATCH_H
#define CLMP_TRAIN_BATCH_H

#include "trainer.h"

struct batches {
    struct trainer *trainer;
    uint64_t seed;
    size_t *order; /* of the training images in this epoch */
    uint64_t epoch;
};

/* batches_free() after a failure, too. */
bool batches_make(struct trainer *trainer, uint64_t seed, struct batches *batches, struct failure *failure);
void batches_free(struct batches *batches);

/* Those images of a step, from 0, that are this process's, to the device; their labels stay in label_bytes, too. */
bool batches_load(struct batches *batches, uint64_t step, struct failure *failure);

#endif /* CLMP_TRAIN_BATCH_H */
