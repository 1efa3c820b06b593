/* `clmp loss --list --pool list`: all pairs of a list as one batch.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CLI_LOSS_POOL_H
#define CLMP_CLI_LOSS_POOL_H

#include "options.h"

/*
 * Pools the pixels of all pairs together, as if one file had their images one after the other; with --mpi the processes
 * share the pairs, each its own device, and the first one prints.  The same bytes for any number of processes.
 */
bool loss_pool(const struct options *options, struct failure *failure);

#endif /* CLMP_CLI_LOSS_POOL_H */
