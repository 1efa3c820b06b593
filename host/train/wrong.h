/*
 * Labels made wrong on purpose, to see what a loss makes of wrong ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_WRONG_H
#define CLMP_TRAIN_WRONG_H

#include <stddef.h>
#include <stdint.h>

/*
 * Gives each of the `pixels` labels that is a class, below `classes`, another class with the probability `share`, all
 * others alike: symmetric noise, from pixel to pixel anew.  Drawn from the image's name alone, so that every run,
 * whatever its weighting and seed, trains on the same wrong labels.
 */
void wrong_labels(const char *name, double share, size_t classes, uint8_t *labels, size_t pixels);

#endif /* CLMP_TRAIN_WRONG_H */
