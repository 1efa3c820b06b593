/*
 * libclmp-mpi - one batch over the processes of an MPI communicator
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * This is a separate library, libclmp-mpi, which uses libclmp through its public interface.  It is built where MPI is
 * installed (-Dmpi=enabled); `pkg-config --libs clmp-mpi` says how to link it.  It is compiled for one MPI, as the
 * types of Open MPI and MPICH differ.
 *
 *     clmp_mpi_ranks *group;
 *     clmp_mpi_ranks_create(MPI_COMM_WORLD, &group);   on all processes
 *     clmp_ranks ranks;
 *     clmp_ranks_init(&ranks);
 *     clmp_mpi_ranks_get(group, &ranks);
 *     params.ranks = &ranks;                           before clmp_plan_create()
 *
 * clmp.h says what ranks are, and what an entry of a plan with ranks does.  Numbers are summed by MPI_Allreduce() of
 * MPI_UINT64_T in a duplicate of the communicator, so messages of the caller and of the library cannot be confused.
 *
 * MPI errors: the duplicate has the communicator's error handler.  MPI's default handler ends all processes on an
 * error. With another handler (MPI_ERRORS_RETURN) the entry fails on the ranks where MPI reports the error; whether the
 * other ranks learn of it depends on the MPI.
 *
 * Threads: clmp_mpi_ranks_create() and clmp_mpi_ranks_destroy() are collective.  Entries of a plan with ranks call MPI
 * in the thread that calls them: MPI_THREAD_FUNNELED is enough if that is the main thread, MPI_THREAD_SERIALIZED if it
 * is another thread and no two threads call MPI at once; otherwise MPI_THREAD_MULTIPLE is needed.  Only one thread at a
 * time may use a group, as the collective calls of a communicator must have one order: plans in different threads need
 * a group each.
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
 * Collective over `comm`, an intracommunicator, which stays the caller's.  On success the caller destroys `*group` with
 * clmp_mpi_ranks_destroy() before MPI_Finalize(); on failure it is NULL.  Errors: INVALID_ARGUMENT (NULL,
 * MPI_COMM_NULL, an intercommunicator, more than 65536 processes, MPI not initialised or already finalised),
 * OUT_OF_MEMORY.
 */
CLMP_API clmp_status clmp_mpi_ranks_create(MPI_Comm comm, clmp_mpi_ranks **group);

/*
 * The same for MPI_COMM_WORLD, for programs that do not call MPI themselves.  If MPI is not initialised yet, this does
 * so (MPI_THREAD_FUNNELED), and clmp_mpi_ranks_destroy() then finalises it.
 */
CLMP_API clmp_status clmp_mpi_ranks_world(clmp_mpi_ranks **group);

/* Sets `ranks`, which must be initialised, to this process's rank.  The group must outlive plans that have this rank.
 * Errors: INVALID_ARGUMENT. */
CLMP_API clmp_status clmp_mpi_ranks_get(clmp_mpi_ranks *group, clmp_ranks *ranks);

/* For a process that cannot continue: ends all processes of the group by MPI_Abort() with `code`; does not return. */
CLMP_API void clmp_mpi_ranks_abort(const clmp_mpi_ranks *group, int code);

/* Releases a group that no plan will use again.  Collective.  NULL is allowed, and does nothing. */
CLMP_API void clmp_mpi_ranks_destroy(clmp_mpi_ranks *group);

#ifdef __cplusplus
}
#endif

#endif /* CLMP_MPI_H */
