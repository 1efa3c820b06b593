#!/bin/sh
# The suites under limits that tests/support/fault_limits.c imposes: a device that is less than the one at hand.
#
# usage: sh tests/limits.sh [NAME=NUMBER,...]    without limits: each of the list below
#
# A limit is one of group, kernel_group (work-items of a work-group: of the device, or of its kernels only), local_memory
# (bytes), bare=1 (no extensions) and gpu=1 (the device says that it is one, and is tuned so).  Each suite's `small` cases
# must give the reference's bits.  A line for each limit.  The build is build-torture/plain-tests (CLMP_TORTURE_DIR).
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${CLMP_TORTURE_DIR-$root/build-torture}/plain-tests
out=$dir/limits.txt
suites='counts gradient layouts loss losses queue threshold tuning upsample weighting weights'

again=
if [ -f "$dir/build.ninja" ]; then
    again=--reconfigure
fi
mkdir -p "$dir"
# shellcheck disable=SC2086
meson setup $again -Dcli=enabled -Dtests=enabled -Dclblast=enabled -Ddemo=disabled -Dbench=disabled "$dir" "$root" \
    >"$out" 2>&1 || { cat "$out" && exit 1; }
meson compile -C "$dir" >"$out" 2>&1 || { cat "$out" && exit 1; }

export CK_FORK=no CK_INCLUDE_TAGS=small CLMP_TEST_SMALL=1 CLMP_CACHE_DIR=''
export POCL_CACHE_DIR="$dir/cache/limits"

failed=0
# usage: try LIMITS [MOST_GROUP]    MOST_GROUP: what tests may ask for; no suite of CLBlast's where that is small, which
# needs larger work-groups than libclmp does.
try() {
    checks=0
    faulty=
    names=$suites
    if [ "${2:-64}" -ge 64 ]; then
        names="$suites head"
    fi
    for name in $names; do
        if [ -n "${2-}" ]; then
            export CLMP_TEST_MAX_GROUP="$2"
        else
            unset CLMP_TEST_MAX_GROUP
        fi
        if ! LD_PRELOAD="$dir/tests/libfaults.so" CLMP_TEST_LIMITS="$1" "$dir/tests/check_$name" >"$out" 2>&1; then
            faulty="$faulty $name"
            tail -n 5 "$out"
        fi
        more=$(sed -n 's/.*Checks: \([0-9]*\),.*/\1/p' "$out")
        checks=$((checks + ${more:-0}))
    done
    if [ -n "$faulty" ]; then
        failed=1
        printf '%-62s FAILED:%s\n' "$1" "$faulty"
    else
        printf '%-62s %d suites, %d tests passed\n' "$1" "$(echo "$names" | wc -w)" "$checks"
    fi
}

if [ $# -ne 0 ]; then
    try "$1"
else
    for gpu in 0 1; do
        kind=
        if [ "$gpu" -eq 1 ]; then
            kind=,gpu=1
        fi
        try "group=1$kind" 1
        try "group=64$kind" 64
        try "group=256$kind" 256
        try "group=4096$kind"
        try "kernel_group=1$kind" 1
        try "kernel_group=32$kind" 32
        try "local_memory=16384$kind" 256
        try "local_memory=2048$kind" 32
        try "bare=1$kind"
        try "group=64,kernel_group=32,local_memory=16384,bare=1$kind" 32
    done
fi
exit "$failed"
