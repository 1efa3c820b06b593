/*
 * What a run trains: the loss of a step by a weighting, and its gradients.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A clmp_head does all of it, but where processes share a batch: it would add up gradients over a process's images.
 * There it makes the logits, image by image, a plan takes the loss of the whole batch, and the head's gradients are
 * made of each image, to be summed with those of the network.
 */
#ifndef CLMP_TRAIN_OBJECTIVE_H
#define CLMP_TRAIN_OBJECTIVE_H

#include "checkpoint.h"
#include "trainer.h"

struct objective {
    clmp_head *head; /* of a batch; or, where it is shared, of an image */
    clmp_plan *plan; /* where it is shared, and then */
    cl_mem logits;   /* of this process's images, in place of which their gradient comes */
    float class_weights[MOST_CLASSES];
};

/* objective_free() after a failure, too. */
bool objective_make(struct trainer *trainer, const struct spec *spec, uint64_t seed, struct objective *objective,
                    struct failure *failure);
void objective_free(struct objective *objective);

/* Of the trainer's images, whose features and labels are on the device: the result, the gradient of the features, and
 * the head's: in `gradient`, or of shared batches in the parts. */
bool objective_enqueue(struct trainer *trainer, const struct objective *objective, const struct parameters *parameters,
                       uint64_t step, struct failure *failure);

/*
 * After that, of the losses of this process's images: their sum, in multiples of 2^-20, and how many are below
 * EASY_LOSS.  Class weights are taken out of them; what a focal loss or label smoothing does is in them.
 */
struct loss_sums {
    uint64_t sum, easy;
};
bool objective_losses(struct trainer *trainer, const struct objective *objective, struct loss_sums *sums,
                      struct failure *failure);

#endif /* CLMP_TRAIN_OBJECTIVE_H */
