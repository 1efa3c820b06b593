/* What the demo knows at its end, and the table of it.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_DEMO_TABLE_H
#define CLMP_DEMO_TABLE_H

#include "demo_pool.h"
#include "demo_scan.h"

/* The test slices, and all that is known of their pixels.  Arrays are (N, H, W). */
typedef struct demo_outcome {
    const demo_scan *scan;
    size_t images, pixels; /* pixels: of all images */
    const size_t *slices;  /* z of each image */
    const uint8_t *labels, *predictions;
    double p, support;
    demo_pooled pooled;
} demo_outcome;

/* What one class, or several, get. */
typedef struct demo_share {
    size_t pixels, right;
    double loss, weight; /* sums */
} demo_share;

/* The sums per class; `shares` has room for scan->classes. */
void demo_shares(const demo_outcome *outcome, demo_share *shares);

/* Mean of the losses: what pooling replaces. */
double demo_plain_mean(const demo_outcome *outcome);

/* Prints the table to standard output. */
bool demo_table_print(const demo_outcome *outcome);

#endif
