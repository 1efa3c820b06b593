/*
 * Which parameters of a loss and of a weighting go with which: what would be ignored is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_OPTION_RULES_H
#define CLMP_CLI_OPTION_RULES_H

#include "fail.h"

#include <clmp/clmp.h>

/* Bits, of parameters that were given. */
enum parameter {
    PARAMETER_P = 1 << 0,
    PARAMETER_SUPPORT = 1 << 1,
    PARAMETER_COUNT = 1 << 2,
    PARAMETER_THRESH = 1 << 3,
    PARAMETER_MIN_KEPT = 1 << 4,
    PARAMETER_SAMPLING = 1 << 5,
    PARAMETER_SEED = 1 << 6,
    PARAMETER_STEP = 1 << 7,
    PARAMETER_SOLVER = 1 << 8,
    PARAMETER_LABEL_SMOOTHING = 1 << 9,
    PARAMETER_GAMMA = 1 << 10,
    PARAMETER_ALPHA = 1 << 11,
    PARAMETER_NORMALISE = 1 << 12
};

/*
 * Whether those that were given go with the loss and the weighting of `params`, and these with each other.  A failure
 * calls them by name behind `mark`: "--" where they are options.
 */
bool rules_apply(const clmp_plan_params *params, unsigned given, const char *mark, struct failure *failure);

/* The numbers of losses and weightings, which options and other texts have alike.  `name` is what a failure calls them.
 */
bool rules_read_p(const char *name, const char *text, double *p, struct failure *failure);
bool rules_read_support(const char *name, const char *text, double *support, struct failure *failure);
bool rules_read_thresh(const char *name, const char *text, double *thresh, struct failure *failure);
bool rules_read_smoothing(const char *name, const char *text, double *smoothing, struct failure *failure);
bool rules_read_gamma(const char *name, const char *text, double *gamma, struct failure *failure);
bool rules_read_alpha(const char *name, const char *text, double *alpha, struct failure *failure);

/* A number in an interval that `expected` describes; a whole one from `least` to `most`. */
bool rules_read_between(const char *name, const char *text, double low, bool with_low, double high, bool with_high,
                        const char *expected, double *value, struct failure *failure);
bool rules_read_whole(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *value,
                      struct failure *failure);

#endif /* CLMP_CLI_OPTION_RULES_H */
