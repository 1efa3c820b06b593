/*
 * A run that was interrupted, in a file: written whole or not at all, and read only where it is of the same run.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     clmp-train checkpoint 1
 *     SETTINGS
 *     step N parameters N
 *     float32, little endian: all values, running statistics too; m, v (parameters each); loss, alpha, support, rate of
 * each step done uint64: FNV-1a of all before it
 */
#ifndef CLMP_TRAIN_CHECKPOINT_H
#define CLMP_TRAIN_CHECKPOINT_H

#include "network.h"

/* What is noted of a step. */
struct step_record {
    float loss, alpha, support, rate; /* support: share of the valid pixels at full weight */
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
