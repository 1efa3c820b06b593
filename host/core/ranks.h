/* Who the ranks of a batch are.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_RANKS_H
#define CLMP_RANKS_H

#include "core/sized.h"

#define CLMP_MOST_RANKS 65536u

/* Takes a caller's ranks, NULL or not: `own` is then what the plan keeps, of size 0 where it is alone. */
clmp_status clmp_ranks_take(const clmp_ranks *ranks, clmp_ranks *own, const struct clmp_log *log);

#endif
