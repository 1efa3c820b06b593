/* What a confusion matrix comes to.  SPDX-License-Identifier: Apache-2.0 */
#include "core/sized.h"

#include <math.h>

clmp_status clmp_confusion_metrics_sized(const uint64_t *confusion, uint64_t classes, clmp_metrics *metrics,
                                         size_t metrics_size, double *iou, double *accuracy) {
    if (confusion == NULL || metrics == NULL || classes == 0 || !clmp_sized_fits(metrics_size, CLMP_FIRST_METRICS))
        return CLMP_INVALID_ARGUMENT;
    clmp_metrics m = {.pixels = 0};
    for (uint64_t c = 0; c < classes; ++c) {
        uint64_t labelled = 0, predicted = 0;
        for (uint64_t k = 0; k < classes; ++k) {
            labelled += confusion[c * classes + k];
            predicted += confusion[k * classes + c];
        }
        const uint64_t hits = confusion[c * classes + c], either = labelled + predicted - hits;
        const double of_either = either != 0 ? (double)hits / (double)either : NAN;
        const double of_labelled = labelled != 0 ? (double)hits / (double)labelled : NAN;
        m.pixels += labelled;
        m.correct += hits;
        m.present += either != 0;
        m.labelled += labelled != 0;
        m.mean_iou += either != 0 ? of_either : 0.0;
        m.mean_accuracy += labelled != 0 ? of_labelled : 0.0;
        if (iou != NULL)
            iou[c] = of_either;
        if (accuracy != NULL)
            accuracy[c] = of_labelled;
    }
    if (m.present != 0)
        m.mean_iou /= (double)m.present;
    if (m.labelled != 0)
        m.mean_accuracy /= (double)m.labelled;
    if (m.pixels != 0)
        m.pixel_accuracy = (double)m.correct / (double)m.pixels;
    clmp_sized_put(metrics, metrics_size, &m, sizeof m);
    return CLMP_OK;
}
