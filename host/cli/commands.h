/*
 * The commands: each does what its options ask for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_COMMANDS_H
#define CLMP_CLI_COMMANDS_H

#include "options.h"

bool command_devices(const struct options *options, struct failure *failure);
bool command_weights(const struct options *options, struct failure *failure);
bool command_loss(const struct options *options, struct failure *failure);
bool command_class_weights(const struct options *options, struct failure *failure);
bool command_eval(const struct options *options, struct failure *failure);

#endif /* CLMP_CLI_COMMANDS_H */
