/* A small model of the scan, which makes the logits.  Functions that can fail print a line.  SPDX-License-Identifier:
 * Apache-2.0 */
#ifndef CLMP_DEMO_MODEL_H
#define CLMP_DEMO_MODEL_H

#include "demo_scan.h"

typedef struct demo_model demo_model;

/* Fits the classes on the training slices.  NULL on failure; free with demo_model_free(). */
demo_model *demo_model_fit(const demo_scan *scan);
void demo_model_free(demo_model *model);

/* Writes the logits (classes, height, width) of slice z, and the most likely class of each pixel to `prediction`. */
bool demo_model_logits(const demo_model *model, const demo_scan *scan, size_t z, float *logits, uint8_t *prediction);

#endif
