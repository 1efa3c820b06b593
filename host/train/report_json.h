/*
 * comparison.json: the figures of a comparison, and how its settings were chosen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_REPORT_JSON_H
#define CLMP_TRAIN_REPORT_JSON_H

#include "comparison.h"

bool report_json(const struct comparison *comparison, const char *path, struct failure *failure);

/* Fails where the file at this path reports something else than this choice; good where there is none. */
bool report_check_choice(const char *path, const struct choice *choice, struct failure *failure);

#endif /* CLMP_TRAIN_REPORT_JSON_H */
