/*
 * Several weightings with several seeds each, side by side.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_COMPARE_H
#define CLMP_TRAIN_COMPARE_H

#include "comparison.h"

struct contest {
    struct engine *engine;
    struct team *team;
    const struct dataset *dataset;
    const struct classes *classes;
    const struct trainer_options *options;
    const struct spec *specs;
    size_t count;
    uint64_t seeds;
    const char *folder;
    double choose_on;      /* share of the training split that settings are chosen on; 0: all of them are reported */
    uint64_t choose_seeds; /* seeds 1 to this for that */
};

/*
 * Trains what is not there yet, and writes all that compares.  With choose_on, first trains every weighting on the rest
 * of the training split, in the folder choice, and judges it on what is held out; the validation images are read by
 * then, to find damaged ones, but nothing is computed of them.  Then trains the first weighting and each family's best
 * on the whole training split, and reports them on the validation split; once this is done, the folder takes no other
 * choice.
 */
bool compare(const struct contest *contest, struct failure *failure);

#endif /* CLMP_TRAIN_COMPARE_H */
