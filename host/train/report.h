/*
 * What a comparison comes to, in files and on standard output.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_REPORT_H
#define CLMP_TRAIN_REPORT_H

#include "comparison.h"

/* Writes table.txt, table.csv, comparison.json and the pictures to the comparison's folder, and prints the table. */
bool report_write(const struct comparison *comparison, struct failure *failure);

/* The table of one result, to standard output. */
void report_print_one(const struct classes *classes, const struct run_result *result);

#endif /* CLMP_TRAIN_REPORT_H */
