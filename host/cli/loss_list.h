/* `clmp loss --list`: many pairs, one after the other.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CLI_LOSS_LIST_H
#define CLMP_CLI_LOSS_LIST_H

#include "options.h"

/* A table with a line for each pair and one for all: the mean of their losses, the sums of their counts. */
bool loss_list(const struct options *options, struct failure *failure);

#endif /* CLMP_CLI_LOSS_LIST_H */
