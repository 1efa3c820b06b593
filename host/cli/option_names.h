/*
 * What options, and what is printed, call losses, weightings and the like.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_OPTION_NAMES_H
#define CLMP_CLI_OPTION_NAMES_H

#include <clmp/clmp.h>

/* In the order of the enumerators. */
enum {
    OPTION_LOSSES_KNOWN = 4,
    OPTION_WEIGHTINGS_KNOWN = 5,
    OPTION_SAMPLINGS_KNOWN = 3,
    OPTION_SCHEMES_KNOWN = 6,
    OPTION_NORMALISATIONS_KNOWN = 2
};
extern const char *const option_losses[OPTION_LOSSES_KNOWN];
extern const char *const option_weightings[OPTION_WEIGHTINGS_KNOWN];
extern const char *const option_samplings[OPTION_SAMPLINGS_KNOWN];
extern const char *const option_normalisations[OPTION_NORMALISATIONS_KNOWN];
extern const char *const option_schemes[OPTION_SCHEMES_KNOWN];

/* "topk", "median-sqrt" and so on. */
const char *options_loss_name(clmp_loss loss);
const char *options_weighting_name(clmp_weighting weighting);
const char *options_sampling_name(clmp_sampling sampling);
const char *options_scheme_name(clmp_class_scheme scheme);

#endif /* CLMP_CLI_OPTION_NAMES_H */
