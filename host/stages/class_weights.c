/* Class weights from counts of labels.  SPDX-License-Identifier: Apache-2.0 */
#include "core/sized.h"

#include <math.h>
#include <stdlib.h>

void clmp_class_weights_params_init_sized(clmp_class_weights_params *params, size_t size) {
    const clmp_class_weights_params defaults = {
        .struct_size = size, .scheme = CLMP_CLASS_INVERSE, .enet_offset = 1.02, .beta = 0.9999, .absent = 1.0};
    clmp_sized_put(params, size, &defaults, sizeof defaults);
}

static bool good(const clmp_class_weights_params *params) {
    return (int)params->scheme >= CLMP_CLASS_INVERSE && (int)params->scheme <= CLMP_CLASS_EFFECTIVE &&
           params->enet_offset > 1.0 && isfinite(params->enet_offset) && params->beta >= 0.0 && params->beta < 1.0 &&
           params->absent >= 0.0 && isfinite((float)params->absent);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the classes' frequencies in the images that have them; -1: no memory. */
static double median(const uint64_t *counts, uint64_t classes, uint64_t present) {
    double *sorted = calloc((size_t)present, sizeof *sorted);
    size_t n = 0;
    if (sorted == NULL)
        return -1.0;
    for (uint64_t c = 0; c < classes; ++c)
        if (counts[c] != 0)
            sorted[n++] = (double)counts[c] / (double)counts[classes + c];
    qsort(sorted, n, sizeof *sorted, compare);
    const double middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
    free(sorted);
    return middle;
}

clmp_status clmp_class_weights(const uint64_t *label_counts, uint64_t classes, const clmp_class_weights_params *given,
                               float *weights) {
    clmp_class_weights_params own, *const params = &own;
    clmp_class_weights_params_init(&own);
    if (given != NULL &&
        clmp_sized_take(given, CLMP_FIRST_CLASS_WEIGHTS_PARAMS, &own, "class_weights_params", NULL) != CLMP_OK)
        return CLMP_INVALID_ARGUMENT;
    if (label_counts == NULL || weights == NULL || classes == 0 || !good(params))
        return CLMP_INVALID_ARGUMENT;
    double labelled = 0.0, effective = 0.0, middle = 0.0;
    uint64_t present = 0;
    for (uint64_t c = 0; c < classes; ++c) {
        const double count = (double)label_counts[c];
        labelled += count;
        present += label_counts[c] != 0;
        if (label_counts[c] != 0)
            effective += (1.0 - params->beta) / -expm1(count * log1p(params->beta - 1.0));
    }
    const clmp_class_scheme scheme = params->scheme;
    const bool by_median = scheme == CLMP_CLASS_MEDIAN || scheme == CLMP_CLASS_MEDIAN_SQRT;
    if (by_median && present != 0) {
        middle = median(label_counts, classes, present);
        if (middle < 0.0)
            return CLMP_OUT_OF_MEMORY;
    }
    for (uint64_t c = 0; c < classes; ++c) {
        const double count = (double)label_counts[c];
        double weight = params->absent;
        if (label_counts[c] == 0)
            ;
        else if (by_median)
            weight = middle * (double)label_counts[classes + c] / count;
        else if (scheme == CLMP_CLASS_ENET)
            weight = 1.0 / log(params->enet_offset + count / labelled);
        else if (scheme == CLMP_CLASS_EFFECTIVE)
            weight = (double)present / effective * (1.0 - params->beta) / -expm1(count * log1p(params->beta - 1.0));
        else
            weight = labelled / ((double)present * count);
        if (label_counts[c] != 0 && (scheme == CLMP_CLASS_INVERSE_SQRT || scheme == CLMP_CLASS_MEDIAN_SQRT))
            weight = sqrt(weight);
        weights[c] = (float)weight;
    }
    return CLMP_OK;
}
