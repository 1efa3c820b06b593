/*
 * The results of several weightings with several seeds each, and figures of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_COMPARISON_H
#define CLMP_TRAIN_COMPARISON_H

#include "holdout.h"
#include "result.h"
#include "trainer.h"

/* How the settings of a comparison were chosen. */
struct choice {
    const struct holdout *holdout;
    const struct spec *specs; /* that there were to choose from, */
    size_t count;
    const double *mean_iou; /* on what was held out: comparison_labelled_iou() */
    const bool *chosen;     /* the first weighting, too, which is not chosen but what the others are compared with */
    size_t seeds;           /* that the choice was made with */
};

/* What was trained: result (weighting, seed) is results[weighting * seeds + seed]. */
struct comparison {
    struct trainer *trainer;
    const struct spec *specs;
    size_t count, seeds;
    const char *folder;
    struct run_result *results;
    const struct choice *choice; /* NULL: none was made */
};

/* A number of each run, over the seeds: mean, deviation, and what it has more than the first weighting's. */
struct figure {
    double mean, deviation; /* of a sample of seeds; NaN for one seed */
    double more, more_deviation;
    double half;   /* more +- half is the interval of 95 % of the mean difference, by Student's t; NaN for one seed */
    size_t better; /* seeds in which it is above the first weighting's */
};

/* Numbers of a result: the IoU of each class, then these. */
enum { FIGURE_MEAN_IOU, FIGURE_MEAN_ACCURACY, FIGURE_PIXEL_ACCURACY, FIGURES };
double comparison_number(const struct comparison *comparison, size_t weighting, size_t seed, size_t number);
struct figure comparison_figure(const struct comparison *comparison, size_t weighting, size_t number);

/* The mean over the seeds of the mean IoU of those classes that the labels have.  The usual mean IoU is over those that
 * are labelled or predicted: where few pictures lack classes, a single pixel of a class that none has adds a 0, and
 * settings are compared by different classes. */
double comparison_labelled_iou(const struct comparison *comparison, size_t weighting);

/* Of training, of all runs. */
double comparison_hours(const struct comparison *comparison);

/* The quantile of Student's t with so many degrees of freedom that 97.5 % are below: intervals of 95 %. */
double comparison_quantile(size_t freedom);

#endif /* CLMP_TRAIN_COMPARISON_H */
