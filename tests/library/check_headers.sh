#!/bin/sh
# Every public header compiles alone, and twice, without a warning, as a standard has it.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: check_headers.sh INCLUDE c11|c17|c++17 COMPILER [ARGUMENT...]     CLMP_MPI_INCLUDE: the folder of mpi.h, if any
set -eu
include=$1
standard=$2
shift 2
case $standard in
c++*) suffix=cpp only_c= ;;
*) suffix=c only_c='-Wstrict-prototypes -Wmissing-prototypes' ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
checks=0
failures=0
for header in "$include"/clmp/*.h; do
    name=${header#"$include"/}
    mpi=
    if [ "$name" = clmp/mpi.h ]; then
        [ -n "${CLMP_MPI_INCLUDE-}" ] || continue
        mpi="-isystem $CLMP_MPI_INCLUDE"
    fi
    printf '#include "%s"\n#include "%s"\n' "$name" "$name" >"$folder/alone.$suffix"
    checks=$((checks + 1))
    # Word splitting is meant: the options are several words.
    # shellcheck disable=SC2086
    "$@" -std="$standard" -I"$include" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef $only_c $mpi -Werror \
        -c -o "$folder/alone.o" "$folder/alone.$suffix" || failures=$((failures + 1))
done
echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
