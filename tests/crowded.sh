#!/bin/sh
# check_crowded at length: 100,000 steps with changing plans, and each thread 5,000 on every kind of context and queue.
#
# usage: sh tests/crowded.sh [STEPS [THREADS]]
#
# The build is build-torture/plain-tests (CLMP_TORTURE_DIR).
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${CLMP_TORTURE_DIR-$root/build-torture}/plain-tests
log=$dir/crowded.log

again=
if [ -f "$dir/build.ninja" ]; then
    again=--reconfigure
fi
mkdir -p "$dir"
# shellcheck disable=SC2086
{
    meson setup $again -Dcli=enabled -Dtests=enabled -Dclblast=enabled -Ddemo=disabled -Dbench=disabled "$dir" "$root" &&
        meson compile -C "$dir"
} >"$log" 2>&1 || { cat "$log" && exit 1; }

export CK_FORK=no CK_INCLUDE_TAGS=full CLMP_CACHE_DIR='' POCL_CACHE_DIR="$dir/cache/crowded"
export CLMP_TEST_STEPS="${1-100000}" CLMP_TEST_THREADS="${2-8}"
exec "$dir/tests/check_crowded"
