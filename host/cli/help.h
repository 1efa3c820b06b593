/*
 * What --help says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_HELP_H
#define CLMP_CLI_HELP_H

#include "options.h"

/* Of one command; COMMANDS: of clmp itself. */
void help_write(enum command command, FILE *stream);

#endif /* CLMP_CLI_HELP_H */
