/*
 * A part of the training split, held out to choose settings on.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Neighbouring frames of a video are nearly the same image, and one of them in each part would make the choice one of
 * images that were trained on.  So what belongs together stays together, as names tell:
 *
 *     CamVid      what stands before the last number of a file's name: 0006R0_f of 0006R0_f00930.png
 *     Cityscapes  the city
 *     Pascal VOC  each image stands alone
 *
 * Held out are those sequences that have together most nearly the wanted share of the images; where several sets of
 * them have, the one that comes first in an order that is shuffled, always in the same way.  A split that is one
 * sequence is cut by the number of its frames: its end is held out, and a twentieth of all images before that, one at
 * least, is in neither part.
 */
#ifndef CLMP_TRAIN_HOLDOUT_H
#define CLMP_TRAIN_HOLDOUT_H

#include "dataset.h"

struct holdout {
    struct dataset parts;       /* train: the rest; val: what is held out.  The samples' paths are the whole's */
    double fraction;            /* that was asked for */
    size_t left_out;            /* images that are in neither */
    size_t sequences, held_out; /* all of them, and those held out; 1 and 0 where one is cut */
    char **names;               /* of those */
    uint64_t hash;              /* of what is held out; not 0 */
};

/* Divides the training split, whose paths must outlive the parts; holdout_free() after a failure, too. */
bool holdout_make(const struct dataset *dataset, double fraction, struct holdout *holdout, struct failure *failure);
void holdout_free(struct holdout *holdout);

/* What is held out, in words: "101 of 367 training images, 1 of 3 sequences (0006R0_f)". */
void holdout_words(const struct holdout *holdout, char *text, size_t size);

#endif /* CLMP_TRAIN_HOLDOUT_H */
