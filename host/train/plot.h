/*
 * The plot of a comparison.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_PLOT_H
#define CLMP_TRAIN_PLOT_H

#include "comparison.h"

/* Writes it whole or not at all, as PNG. */
bool plot_write(const struct comparison *comparison, const char *path, struct failure *failure);

#endif /* CLMP_TRAIN_PLOT_H */
