/* SPDX-License-Identifier: Apache-2.0 */
#include "option_names.h"

const char *const option_losses[] = {"cross-entropy", "focal", "bce", "binary-focal"};
const char *const option_weightings[] = {"lmp", "uniform", "topk", "ohem", "balanced"};
const char *const option_samplings[] = {"even", "under", "over"};
const char *const option_normalisations[] = {"count", "weights"};
const char *const option_schemes[] = {"inverse", "inverse-sqrt", "median", "median-sqrt", "enet", "effective"};

const char *options_loss_name(clmp_loss loss) {
    return option_losses[loss];
}

const char *options_weighting_name(clmp_weighting weighting) {
    return option_weightings[weighting];
}

const char *options_sampling_name(clmp_sampling sampling) {
    return option_samplings[sampling];
}

const char *options_scheme_name(clmp_class_scheme scheme) {
    return option_schemes[scheme];
}
