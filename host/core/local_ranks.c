/* Ranks within a process: threads that sum numbers.  SPDX-License-Identifier: Apache-2.0 */
#include "core/ranks.h"

#include <pthread.h>
#include <stdlib.h>

/* What `user` of one rank's callback is. */
struct member {
    clmp_local_ranks *group;
    uint64_t *sums; /* of the round that is being gathered; NULL: not there yet */
};

struct clmp_local_ranks {
    pthread_mutex_t lock;
    pthread_cond_t turn; /* a round has ended, or the group has */
    uint32_t size, arrived;
    uint64_t round;
    size_t count; /* of the first that arrived */
    bool broken;  /* and stays so */
    struct member members[];
};

/* The last to arrive sums, for all, while the others wait: a number at a time in the order of ranks. */
static void add_up(clmp_local_ranks *group) {
    for (size_t i = 0; i < group->count; ++i) {
        uint64_t sum = 0;
        for (uint32_t r = 0; r < group->size; ++r)
            sum += group->members[r].sums[i];
        for (uint32_t r = 0; r < group->size; ++r)
            group->members[r].sums[i] = sum;
    }
    for (uint32_t r = 0; r < group->size; ++r)
        group->members[r].sums = NULL;
    group->arrived = 0;
    ++group->round;
}

static int local_allreduce(void *user, uint64_t *sums, size_t count) {
    struct member *member = user;
    clmp_local_ranks *group = member->group;
    pthread_mutex_lock(&group->lock);
    if (group->arrived == 0)
        group->count = count;
    /* two threads with one rank, or other numbers than the others': what they meant to sum is not known */
    if (member->sums != NULL || group->count != count)
        group->broken = true;
    const uint64_t round = group->round;
    if (!group->broken) {
        member->sums = sums;
        ++group->arrived;
    }
    if (group->arrived == group->size)
        add_up(group);
    if (group->broken || group->round != round)
        pthread_cond_broadcast(&group->turn);
    while (group->round == round && !group->broken)
        pthread_cond_wait(&group->turn, &group->lock);
    const bool done = group->round != round;
    pthread_mutex_unlock(&group->lock);
    return done ? 0 : 1;
}

clmp_status clmp_local_ranks_create(uint32_t size, clmp_local_ranks **out) {
    if (out != NULL)
        *out = NULL;
    if (out == NULL || size == 0 || size > CLMP_MOST_RANKS)
        return CLMP_INVALID_ARGUMENT;
    clmp_local_ranks *group = calloc(1, sizeof *group + size * sizeof group->members[0]);
    if (group == NULL)
        return CLMP_OUT_OF_MEMORY;
    group->size = size;
    for (uint32_t r = 0; r < size; ++r)
        group->members[r].group = group;
    if (pthread_mutex_init(&group->lock, NULL) != 0) {
        free(group);
        return CLMP_OUT_OF_MEMORY;
    }
    if (pthread_cond_init(&group->turn, NULL) != 0) {
        pthread_mutex_destroy(&group->lock);
        free(group);
        return CLMP_OUT_OF_MEMORY;
    }
    *out = group;
    return CLMP_OK;
}

clmp_status clmp_local_ranks_get(clmp_local_ranks *group, uint32_t rank, clmp_ranks *ranks) {
    if (group == NULL || ranks == NULL || rank >= group->size)
        return CLMP_INVALID_ARGUMENT;
    const size_t size = clmp_sized_size(ranks);
    if (!clmp_sized_fits(size, CLMP_FIRST_RANKS))
        return CLMP_INVALID_ARGUMENT;
    const clmp_ranks own = {.struct_size = size,
                            .allreduce = local_allreduce,
                            .user = &group->members[rank],
                            .rank = rank,
                            .size = group->size};
    clmp_sized_put(ranks, size, &own, sizeof own);
    return CLMP_OK;
}

void clmp_local_ranks_abort(clmp_local_ranks *group) {
    if (group == NULL)
        return;
    pthread_mutex_lock(&group->lock);
    group->broken = true;
    pthread_cond_broadcast(&group->turn);
    pthread_mutex_unlock(&group->lock);
}

void clmp_local_ranks_destroy(clmp_local_ranks *group) {
    if (group == NULL)
        return;
    pthread_cond_destroy(&group->turn);
    pthread_mutex_destroy(&group->lock);
    free(group);
}
