#!/bin/sh
# Runs tests on PoCL as on another CPU than this one, one after another, so that what one has compiled serves the next.
#
# usage: cpu.sh avx2|sse41|flushing PROGRAM...
#
# avx2: vectors of 8, no AVX-512; sse41: vectors of 4, and no fma but in software.  flushing: this CPU, but it takes
# subnormals for 0, as some GPUs do.  Skipped where this CPU, or this PoCL, cannot play that one.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

kind=$1
shift
case $kind in
avx2) flag=avx2 name=haswell ;; # what PoCL calls its device then
sse41) flag=sse4_1 name=penryn ;;
flushing) flag=sse2 ;;
*) exit 2 ;;
esac
grep -qw "$flag" /proc/cpuinfo 2>/dev/null || {
    echo "no CPU with $kind: skipped"
    exit 77
}
if [ "$kind" = flushing ]; then
    export POCL_EXTRA_BUILD_FLAGS=-cl-denorms-are-zero CLMP_TEST_FLUSHES=1 CLMP_TEST_DEVICE='Portable Computing'
else
    export POCL_KERNELLIB_NAME="$kind" CLMP_TEST_DEVICE="$name"
fi
failed=0
for program in "$@"; do
    status=0
    "$program" || status=$?
    case $status in
    0) ;;
    77) exit 77 ;;
    *)
        echo "$program: exit status $status"
        failed=1
        ;;
    esac
done
exit $failed
