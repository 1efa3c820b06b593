/* The ranks of an MPI communicator.  SPDX-License-Identifier: Apache-2.0 */
#include "clmp/mpi.h"

#include "core/sized.h"

#include <limits.h>
#include <stdlib.h>

struct clmp_mpi_ranks {
    MPI_Comm comm; /* a duplicate, owned */
    int rank, size;
    bool initialised; /* MPI was, by the group */
};

enum { MOST_RANKS = 65536 }; /* clmp_ranks.size */

static int mpi_allreduce(void *user, uint64_t *sums, size_t count) {
    const clmp_mpi_ranks *group = user;
    for (size_t done = 0; done < count;) { /* MPI counts by int */
        const size_t part = count - done < INT_MAX ? count - done : INT_MAX;
        if (MPI_Allreduce(MPI_IN_PLACE, sums + done, (int)part, MPI_UINT64_T, MPI_SUM, group->comm) != MPI_SUCCESS)
            return 1;
        done += part;
    }
    return 0;
}

static bool is_running(void) {
    int initialised = 0, finalised = 0;
    return MPI_Initialized(&initialised) == MPI_SUCCESS && MPI_Finalized(&finalised) == MPI_SUCCESS && initialised &&
           !finalised;
}

/* Whether all processes agree that they can go on: none is left alone in a collective call. */
static bool all_can(MPI_Comm comm, bool can) {
    int all = can;
    return MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_LAND, comm) == MPI_SUCCESS && all;
}

clmp_status clmp_mpi_ranks_create(MPI_Comm comm, clmp_mpi_ranks **out) {
    int between = 0, size = 0;
    if (out == NULL)
        return CLMP_INVALID_ARGUMENT;
    *out = NULL;
    if (comm == MPI_COMM_NULL || !is_running() || MPI_Comm_test_inter(comm, &between) != MPI_SUCCESS || between ||
        MPI_Comm_size(comm, &size) != MPI_SUCCESS || size > MOST_RANKS)
        return CLMP_INVALID_ARGUMENT;
    clmp_mpi_ranks *group = calloc(1, sizeof *group);
    bool good = all_can(comm, group != NULL) && group != NULL;
    if (good)
        good =
            MPI_Comm_dup(comm, &group->comm) == MPI_SUCCESS && MPI_Comm_rank(group->comm, &group->rank) == MPI_SUCCESS;
    if (!good) {
        free(group);
        return CLMP_OUT_OF_MEMORY;
    }
    group->size = size;
    *out = group;
    return CLMP_OK;
}

clmp_status clmp_mpi_ranks_world(clmp_mpi_ranks **out) {
    int initialised = 0, finalised = 0, level = 0;
    if (out == NULL)
        return CLMP_INVALID_ARGUMENT;
    *out = NULL;
    if (MPI_Initialized(&initialised) != MPI_SUCCESS || MPI_Finalized(&finalised) != MPI_SUCCESS || finalised ||
        (!initialised && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS))
        return CLMP_INVALID_ARGUMENT;
    const clmp_status status = clmp_mpi_ranks_create(MPI_COMM_WORLD, out);
    if (status == CLMP_OK)
        (*out)->initialised = !initialised;
    else if (!initialised)
        MPI_Finalize();
    return status;
}

clmp_status clmp_mpi_ranks_get(clmp_mpi_ranks *group, clmp_ranks *ranks) {
    if (group == NULL || ranks == NULL)
        return CLMP_INVALID_ARGUMENT;
    const size_t size = clmp_sized_size(ranks);
    if (!clmp_sized_fits(size, CLMP_FIRST_RANKS))
        return CLMP_INVALID_ARGUMENT;
    const clmp_ranks own = {.struct_size = size,
                            .allreduce = mpi_allreduce,
                            .user = group,
                            .rank = (uint32_t)group->rank,
                            .size = (uint32_t)group->size};
    clmp_sized_put(ranks, size, &own, sizeof own);
    return CLMP_OK;
}

void clmp_mpi_ranks_abort(const clmp_mpi_ranks *group, int code) {
    MPI_Abort(group == NULL ? MPI_COMM_WORLD : group->comm, code);
}

void clmp_mpi_ranks_destroy(clmp_mpi_ranks *group) {
    if (group == NULL)
        return;
    if (is_running()) { /* else MPI has released what was its own */
        MPI_Comm_free(&group->comm);
        if (group->initialised)
            MPI_Finalize();
    }
    free(group);
}
