/*
 * Several weightings with several seeds each, side by side.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_COMPARE_H
#define CLMP_TRAIN_COMPARE_H

#include "comparison.h"

/* Trains what is not there yet, and writes all that compares. */
bool compare(struct trainer *trainer, const struct spec *specs, size_t count, uint64_t seeds, const char *folder,
             struct failure *failure);

/* The table of one result, to standard output. */
void compare_print_one(const struct classes *classes, const struct run_result *result);

#endif /* CLMP_TRAIN_COMPARE_H */
