/*
 * The processes of --mpi, which share the files of a list.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * libclmp-mpi is loaded when it is asked for: the command runs where there is no MPI, too.
 */
#ifndef CLMP_CLI_RANKS_H
#define CLMP_CLI_RANKS_H

#include "fail.h"

#include <clmp/clmp.h>

struct ranks {
    clmp_ranks use; /* of one process: allreduce NULL, rank 0, size 1 */
    void *library;  /* NULL: without MPI */
    void *group;
};

/* Joins MPI's processes where that is wanted. */
bool ranks_open(bool wanted, struct ranks *ranks, struct failure *failure);

/* Whether this process is the one that prints. */
bool ranks_prints(const struct ranks *ranks);

/* The part of `count` things that is this process's, in the order of ranks: the first ones have one more where it does
 * not come out even. */
void ranks_share(const struct ranks *ranks, size_t count, size_t *first, size_t *own);

/* Replaces each number by its sum over the processes. */
bool ranks_sum(const struct ranks *ranks, uint64_t *numbers, size_t count, struct failure *failure);

/* Joins the labels that the processes saw (LABELS_SEEN_...). */
bool ranks_seen(const struct ranks *ranks, unsigned *seen, struct failure *failure);

/* The largest number of all processes. */
bool ranks_most(const struct ranks *ranks, uint64_t *number, struct failure *failure);

/*
 * Leaves.  Where this process failed, there being others, it says so itself and ends them all: they would wait for
 * ever. `command` is the command's name.
 */
void ranks_close(struct ranks *ranks, const char *command, struct failure *failure);

#endif /* CLMP_CLI_RANKS_H */
