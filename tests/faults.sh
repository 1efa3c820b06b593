#!/bin/sh
# Faults at length: every call that the command makes fails once with each of its errors, and many pairs of faults within
# the library.  `meson test faults 'faults in pairs' cli_faults` has the short version of both.
#
# usage: sh tests/faults.sh [PAIRS [MOST]]
#
# PAIRS: of each of the scenarios (default 500).  MOST: about how many calls of each function and error fail in the
# command (default 0: all; some 10 minutes).  Builds in build-faults.  The seed of the pairs is CLMP_TEST_SEED.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${CLMP_BUILD-$root/build-faults} # an own folder, or one that is there
[ -f "$build/build.ninja" ] ||
    meson setup -Dcli=enabled -Dtests=enabled -Ddemo=disabled -Dbench=disabled "$build" "$root"
ninja -C "$build" tests/check_faults tests/check_cli_faults tests/libfaults.so host/cli/clmp

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export POCL_CACHE_DIR="$folder" CLMP_CACHE_DIR='' CK_FORK=no CK_INCLUDE_TAGS=full RUSTICL_ENABLE=''
export CLMP_CLI="$build/host/cli/clmp" CLMP_FAULTS="$build/tests/libfaults.so"
status=0
CK_RUN_CASE=pairs CLMP_TEST_PAIRS=${1-500} "$build/tests/check_faults" || status=1
CLMP_TEST_FAULTS=${2-0} "$build/tests/check_cli_faults" || status=1
exit $status
