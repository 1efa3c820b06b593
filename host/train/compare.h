/*
 * Several weightings with several seeds each, side by side.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_COMPARE_H
#define CLMP_TRAIN_COMPARE_H

#include "run.h"

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
struct figure comparison_figure(const struct comparison *comparison, size_t weighting, size_t number);

/* Trains what is not there yet, and writes all that compares. */
bool compare(struct trainer *trainer, const struct spec *specs, size_t count, uint64_t seeds, const char *folder,
             struct failure *failure);

/* The table of one result, to standard output. */
void compare_print_one(const struct classes *classes, const struct run_result *result);

/* Pictures of a comparison; evolution.c, plot.c. */
bool evolution_write(const struct comparison *comparison, const char *path, struct failure *failure);
bool plot_write(const struct comparison *comparison, const char *path, struct failure *failure);

#endif /* CLMP_TRAIN_COMPARE_H */
