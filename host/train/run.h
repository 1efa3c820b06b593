/*
 * One run: a weighting and a seed, from random parameters to a result, in a folder of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     result.json       settings, metrics, confusion matrix; there when the run is complete
 *     log.csv           of each step: checkpoint.h
 *     network.ckpt      parameters and optimiser: checkpoint.h
 *     seconds.txt       that it took, until then
 *     lock              file_take()'s: two processes do not train in one folder
 *     step-NNNNNN.png   the segmentation of one validation image, as it evolves
 */
#ifndef CLMP_TRAIN_RUN_H
#define CLMP_TRAIN_RUN_H

#include "result.h"
#include "trainer.h"

/* Steps at which the segmentation is kept: from few to all. */
enum { RUN_FRAMES = 6 };
uint64_t run_frame_step(uint64_t steps, int frame);

/* From now on SIGINT and SIGTERM end runs with a checkpoint; a second one ends the process. */
void run_catch_signals(void);
bool run_interrupted(void);

/*
 * Trains, or goes on where a checkpoint is, or reads what is complete, or does nothing where a process that is not of
 * this team trains in this folder; of a team's processes, the one that leads reads and writes, and has the result.
 * `name` is shown with the progress.  `result` is to be freed by the caller, after a failure too.
 */
bool run_train(struct trainer *trainer, const struct spec *spec, uint64_t seed, const char *folder, const char *name,
               struct run_result *result, struct failure *failure);

#endif /* CLMP_TRAIN_RUN_H */
