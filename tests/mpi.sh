#!/bin/sh
# Runs a program on N processes of MPI.
#
# usage: mpi.sh N PROGRAM [ARGUMENT...]     MPIEXEC: the launcher (mpiexec)
#
# Each process has a PoCL of its own, with a cache of its own: POCL_CACHE_DIR/RANK.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
launcher=${MPIEXEC-mpiexec}
processes=$1
shift
# Open MPI: tests may run as root, with more processes than cores, and where one may not read another's memory.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
    OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl=self,vader \
    POCL_MAX_PTHREAD_COUNT=1
# All of them make the same problems.
export CLMP_TEST_SEED="${CLMP_TEST_SEED-$(date +%s)}"
# The shell of each process expands this, not the one here.
# shellcheck disable=SC2016
exec "$launcher" -n "$processes" sh -c '
    rank=${OMPI_COMM_WORLD_RANK-${PMI_RANK-0}}
    if [ -n "${POCL_CACHE_DIR-}" ]; then
        export POCL_CACHE_DIR="$POCL_CACHE_DIR/$rank"
        mkdir -p "$POCL_CACHE_DIR"
    fi
    exec "$@"' sh "$@"
