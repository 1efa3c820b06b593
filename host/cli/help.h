/*
 * What --help says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_HELP_H
#define CLMP_CLI_HELP_H

#include "options.h"

/* Of one command; COMMANDS: of clmp itself. */
const char *help_text(enum command command);

#endif /* CLMP_CLI_HELP_H */
