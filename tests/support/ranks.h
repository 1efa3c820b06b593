/*
 * A batch over ranks: threads of one process, each with its images and its plan.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TESTS_RANKS_H
#define CLMP_TESTS_RANKS_H

#include "support.h"

enum { MOST_RANKS = 8 };

/* A rank; a test may change it between team_make() and team_step(). */
struct member {
    struct problem part; /* its images, in the arrays of the whole */
    struct run run;
    clmp_ranks ranks, inner; /* of the plan; and the group's, where a test stands between */
    const struct test_device *device;
    clmp_context *context;  /* its own, or NULL */
    char said[512];         /* to its own context's log, the last */
    cl_command_queue queue; /* its own */
    clmp_plan *plan;
    struct device_buffers buffers;
    void *labels;                                                   /* of its part, where team_label() made them */
    clmp_status (*enqueue)(struct member *member, cl_event *event); /* NULL: what `run` says */
    clmp_status status;                                             /* of the last step */
    cl_int finished;                                                /* by its event */
    void *user;
};

struct team {
    const struct problem *whole;
    uint32_t size;
    clmp_local_ranks *group;
    struct member members[MOST_RANKS];
};

/* `images` of each rank, which add up to those of the whole; own contexts have logs of their own. */
void team_make(struct team *team, const struct problem *whole, uint32_t size, const uint64_t *images,
               const struct run *run, bool own_contexts);

/* The plan of a member, and its buffers, anew. */
void team_plan(struct member *member);

/* A member goes to another device, with its plan and its buffers. */
void team_move(struct member *member, const struct test_device *device);

/* A member's labels get another type, if that has them all: whether it does.  For team_plan() to follow. */
bool team_label(struct member *member, clmp_label_type type);

/* One step of all members, each in a thread. */
void team_step(struct team *team);

/* Of the whole, from all members: their steps must have come to pass, and the total must be the same on all. */
struct outputs *team_read(const struct team *team);

/* team_step() with the bits of `want`. */
void team_assert(struct team *team, const struct outputs *want);

void team_free(struct team *team);

/* Splits `images` among ranks by chance, at least one each. */
void split_images(uint64_t images, uint32_t size, struct rng *rng, uint64_t *split);

#endif
