/*
 * libclmp-mpi - one batch over the processes of an MPI communicator
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A library of its own on libclmp's public interface, built where MPI is (-Dmpi=enabled): link libclmp-mpi, by
 * `pkg-config --libs clmp-mpi`.  It is compiled for one MPI: Open MPI's and MPICH's types are not each other's.
 *
 *     clmp_mpi_ranks *group;
 *     clmp_mpi_ranks_create(MPI_COMM_WORLD, &group);   on all processes
 *     clmp_ranks ranks;
 *     clmp_ranks_init(&ranks);
 *     clmp_mpi_ranks_get(group, &ranks);
 *     params.ranks = &ranks;                           before clmp_plan_create()
 *
 * What ranks are, and what an entry of a plan with ranks does, is said in clmp.h.  Numbers are summed by
 * MPI_Allreduce() of MPI_UINT64_T, in a duplicate of the communicator, so that no message of the caller's is taken for
 * one of the library's.
 *
 * Errors of MPI: the duplicate has the communicator's error handler.  As MPI has it, an error ends all processes.  A
 * program that sets another handler (MPI_ERRORS_RETURN) gets the failure as the entry's status, on the ranks where MPI
 * reports it; whether the others are told is up to the MPI.
 *
 * Threads: clmp_mpi_ranks_create() and clmp_mpi_ranks_destroy() are collective.  Entries of a plan with ranks call MPI
 * in the thread that calls them: MPI_THREAD_FUNNELED is enough where that is the main thread, MPI_THREAD_SERIALIZED
 * where it is another and no two call MPI at once, else MPI_THREAD_MULTIPLE.  A group may be used by one thread at a
 * time, as a communicator's collective calls must have one order: plans of different threads need a group each.
 */
#ifndef CLMP_MPI_H
#define CLMP_MPI_H

#include "clmp.h"

#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clmp_mpi_ranks clmp_mpi_ranks;

/*
 * Collective over `comm`, an intracommunicator, which stays the caller's.  On success `*group` is to be destroyed with
 * clmp_mpi_ranks_destroy() before MPI_Finalize(); on failure it is NULL.  Errors: INVALID_ARGUMENT (NULL,
 * MPI_COMM_NULL, an intercommunicator, more than 65536 processes, MPI not initialised or already finalised),
 * OUT_OF_MEMORY.
 */
CLMP_API clmp_status clmp_mpi_ranks_create(MPI_Comm comm, clmp_mpi_ranks **group);

/*
 * The same for MPI_COMM_WORLD, and MPI is initialised (MPI_THREAD_FUNNELED) where it is not yet; then
 * clmp_mpi_ranks_destroy() finalises it.  For programs that do not call MPI themselves.
 */
CLMP_API clmp_status clmp_mpi_ranks_world(clmp_mpi_ranks **group);

/* Sets `ranks`, which is initialised, to this process's rank.  Plans that have it need the group.  Errors:
 * INVALID_ARGUMENT. */
CLMP_API clmp_status clmp_mpi_ranks_get(clmp_mpi_ranks *group, clmp_ranks *ranks);

/* For a process that cannot go on: ends all processes of the group, by MPI_Abort() with `code`, and does not return. */
CLMP_API void clmp_mpi_ranks_abort(const clmp_mpi_ranks *group, int code);

/* Releases a group that no plan will use.  Collective.  NULL is allowed, and does nothing. */
CLMP_API void clmp_mpi_ranks_destroy(clmp_mpi_ranks *group);

#ifdef __cplusplus
}
#endif

#endif /* CLMP_MPI_H */
