/*
 * A run that was interrupted, in a file: written whole or not at all, and read only where it is of the same run.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     clmp-train checkpoint 2
 *     SETTINGS
 *     step N parameters N
 *     float32, little endian: all values, running statistics too; m, v (parameters each); a record of each step done
 *     uint64: FNV-1a of all before it
 */
#ifndef CLMP_TRAIN_CHECKPOINT_H
#define CLMP_TRAIN_CHECKPOINT_H

#include "network.h"

/* What is noted of a step.  A pixel with a loss below EASY_LOSS is learned: its label has a probability of 99 %. */
#define EASY_LOSS 0.01
struct step_record {
    float loss, alpha, support, rate; /* support: share of the valid pixels at full weight */
    float mean, easy;                 /* of their losses without weights: the mean, and the share below EASY_LOSS */
    float mean_iou, pixel_accuracy;   /* on the validation images after the step; below 0: was not looked at */
};

struct progress_of_run {
    uint64_t step; /* steps done */
    struct step_record *records;
};

bool checkpoint_write(const char *path, const char *settings, struct engine *engine,
                      const struct parameters *parameters, const struct progress_of_run *progress,
                      struct failure *failure);

/* `*found` where there is such a file; then fills the parameters, and progress, whose records have room for `steps`. */
bool checkpoint_read(const char *path, const char *settings, struct engine *engine, struct parameters *parameters,
                     uint64_t steps, struct progress_of_run *progress, bool *found, struct failure *failure);

#endif /* CLMP_TRAIN_CHECKPOINT_H */
