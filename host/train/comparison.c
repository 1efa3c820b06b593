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

double comparison_labelled_iou(const struct comparison *comparison, size_t weighting) {
    const struct run_result *results = &comparison->results[weighting * comparison->seeds];
    double sum = 0.0;
    for (size_t seed = 0; seed < comparison->seeds; ++seed) {
        clmp_metrics metrics;
        clmp_confusion_metrics(results[seed].confusion, comparison->trainer->classes->count, &metrics, NULL, NULL);
        if (metrics.labelled > 0) /* the others that are present add 0 */
            sum += metrics.mean_iou * (double)metrics.present / (double)metrics.labelled;
    }
    return sum / (double)comparison->seeds;
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

/* P(-t < T < t) for T of Student's distribution: M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions", 26.7.3
 * and 26.7.4. */
static double within(double t, size_t freedom) {
    const double pi = 3.141592653589793, angle = atan(t / sqrt((double)freedom));
    const double square = cos(angle) * cos(angle);
    const bool odd = freedom % 2 == 1;
    double term = odd ? cos(angle) : 1.0, sum = freedom > 1 ? term : 0.0;
    for (size_t i = odd ? 2 : 1; i + 1 < freedom; i += 2) {
        term *= square * (double)i / (double)(i + 1);
        sum += term;
    }
    return odd ? 2.0 / pi * (angle + sin(angle) * sum) : sin(angle) * sum;
}

double comparison_quantile(size_t freedom) {
    double low = 0.0, high = 16.0; /* 12.7 is the largest, for one degree of freedom */
    while (high - low > 1e-12) {
        const double middle = 0.5 * (low + high);
        if (within(middle, freedom) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
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
    figure.half = comparison->seeds > 1 ? comparison_quantile(comparison->seeds - 1) * figure.more_deviation /
                                              sqrt((double)comparison->seeds)
                                        : NAN;
    return figure;
}

double comparison_hours(const struct comparison *comparison) {
    double seconds = 0.0;
    for (size_t i = 0; i < comparison->count * comparison->seeds; ++i)
        seconds += comparison->results[i].seconds;
    return seconds / 3600.0;
}
