/*
 * How runs go on, step by step: the plot of a comparison's logs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_CURVES_H
#define CLMP_TRAIN_CURVES_H

#include "comparison.h"

/* Reads the log of each run, and writes the plot whole or not at all, as PNG. */
bool curves_write(const struct comparison *comparison, const char *path, struct failure *failure);

#endif /* CLMP_TRAIN_CURVES_H */
