/* SPDX-License-Identifier: Apache-2.0 */
#include "comparison.h"

#include <math.h>

double comparison_number(const struct comparison *comparison, size_t weighting, size_t seed, size_t number) {
    const size_t classes = comparison->trainer->classes->count;
    const struct run_result *result = &comparison->results[weighting * comparison->seeds + seed];
    double iou[MOST_CLASSES];
    clmp_metrics metrics;
    clmp_confusion_metrics(result->confusion, classes, &metrics, iou, NULL);
    if (number < classes)
        return iou[number];
    return number == classes + FIGURE_MEAN_IOU        ? metrics.mean_iou
           : number == classes + FIGURE_MEAN_ACCURACY ? metrics.mean_accuracy
                                                      : metrics.pixel_accuracy;
}

/* Mean and deviation of a sample; the deviation of one number is NaN. */
static void mean_of(const double *numbers, size_t count, double *mean, double *deviation) {
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; ++i)
        sum += numbers[i];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; ++i)
        squares += (numbers[i] - *mean) * (numbers[i] - *mean);
    *deviation = count > 1 ? sqrt(squares / (double)(count - 1)) : NAN;
}

struct figure comparison_figure(const struct comparison *comparison, size_t weighting, size_t number) {
    struct figure figure = {.better = 0};
    double numbers[1000], more[1000]; /* --seeds is no more */
    for (size_t seed = 0; seed < comparison->seeds; ++seed) {
        numbers[seed] = comparison_number(comparison, weighting, seed, number);
        more[seed] = numbers[seed] - comparison_number(comparison, 0, seed, number);
        figure.better += more[seed] > 0.0;
    }
    mean_of(numbers, comparison->seeds, &figure.mean, &figure.deviation);
    mean_of(more, comparison->seeds, &figure.more, &figure.more_deviation);
    return figure;
}
