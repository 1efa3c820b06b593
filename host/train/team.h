/*
 * The processes of --mpi, which train one network: each has some images of every step.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * All of them call the functions below in the same order, with sizes that are alike.  Each of these begins with a
 * number from every process, in place of which one that failed says so, wherever the others are by then: they all
 * leave, and one of them has the word.
 */
#ifndef CLMP_TRAIN_TEAM_H
#define CLMP_TRAIN_TEAM_H

#include "ranks.h"

struct team {
    struct ranks ranks; /* without --mpi: of one process */
    uint64_t *said;     /* the last number of each */
    bool over;          /* for a process has failed, */
    uint32_t speaker;   /* the first of those that have, */
    int code;           /* with this exit status */
    bool all;           /* have, and so of the same reason */
};

/* Joins MPI's processes where that is wanted; team_leave() after a failure, too. */
bool team_join(bool wanted, struct team *team, struct failure *failure);

/*
 * Leaves; where a process failed, the first of these says so.  `command` is the command's name.  Whether all is good or
 * the failure is told: then it is left with its exit status, else with its line.
 */
bool team_leave(struct team *team, const char *program, const char *command, struct failure *failure);

/* Whether there are processes that share the work, be it one. */
static inline bool team_shares(const struct team *team) {
    return team->ranks.library != NULL;
}

/* Whether this process is the one that reads, writes and prints for all. */
static inline bool team_leads(const struct team *team) {
    return ranks_prints(&team->ranks);
}

/* What a plan gets to know of the team, which must outlive it. */
void team_ranks(struct team *team, clmp_ranks *ranks);

/* The largest number of all processes, below 2^63. */
bool team_most(struct team *team, uint64_t *number, struct failure *failure);

/* Replaces each number by its sum over the processes. */
bool team_sum(struct team *team, uint64_t *numbers, size_t count, struct failure *failure);

/* Replaces the bytes by those of the process that leads. */
bool team_follow(struct team *team, void *bytes, size_t size, struct failure *failure);

/* Summands of team_add(), of all processes together, at most. */
enum { TEAM_SUMMANDS = 1024 };

/*
 * sums[i] = sum of numbers[part * count + i] over all parts of all processes, whose number of parts may differ, in an
 * order that does not matter: with 2^e above all magnitudes, each summand is rounded to a multiple of 2^(e - 52), these
 * are added as integers, and the sum is rounded to float32.  Where any number of any process is infinite or not one,
 * all sums are not a number.
 */
bool team_add(struct team *team, const float *numbers, size_t parts, size_t count, float *sums,
              struct failure *failure);

#endif /* CLMP_TRAIN_TEAM_H */
