/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TRAIN_HELP_H
#define CLMP_TRAIN_HELP_H

#include "train_options.h"

/* The text of --help; TRAIN_COMMANDS: that of clmp-train itself. */
void train_help(enum train_command command, FILE *to);

#endif /* CLMP_TRAIN_HELP_H */
