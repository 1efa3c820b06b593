/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TRAIN_HELP_H
#define CLMP_TRAIN_HELP_H

#include "train_options.h"

/* The text of --help; TRAIN_COMMANDS: that of clmp-train itself. */
const char *train_help(enum train_command command);

#endif /* CLMP_TRAIN_HELP_H */
