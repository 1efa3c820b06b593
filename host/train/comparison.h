/*
 * The results of several weightings with several seeds each, and figures of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_COMPARISON_H
#define CLMP_TRAIN_COMPARISON_H

#include "result.h"
#include "trainer.h"

/* What was trained: result (weighting, seed) is results[weighting * seeds + seed]. */
struct comparison {
    struct trainer *trainer;
    const struct spec *specs;
    size_t count, seeds;
    const char *folder;
    struct run_result *results;
};

/* A number of each run, over the seeds: mean, deviation, and what it has more than the first weighting's. */
struct figure {
    double mean, deviation; /* of a sample of seeds; NaN for one seed */
    double more, more_deviation;
    size_t better; /* seeds in which it is above the first weighting's */
};

/* Numbers of a result: the IoU of each class, then these. */
enum { FIGURE_MEAN_IOU, FIGURE_MEAN_ACCURACY, FIGURE_PIXEL_ACCURACY, FIGURES };
double comparison_number(const struct comparison *comparison, size_t weighting, size_t seed, size_t number);
struct figure comparison_figure(const struct comparison *comparison, size_t weighting, size_t number);

#endif /* CLMP_TRAIN_COMPARISON_H */
