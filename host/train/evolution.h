/*
 * The picture of how segmentations evolve with each weighting.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_EVOLUTION_H
#define CLMP_TRAIN_EVOLUTION_H

#include "comparison.h"

/* Writes it whole or not at all, as PNG. */
bool evolution_write(const struct comparison *comparison, const char *path, struct failure *failure);

#endif /* CLMP_TRAIN_EVOLUTION_H */
