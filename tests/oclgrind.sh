#!/bin/sh
# Runs a test's small cases on Oclgrind, a simulated device that reports data races, divergence, and calls of
# OpenCL that are wrong.  With OCLGRIND_UNINITIALIZED=1 it reports values that nothing wrote, too, in ten times as long.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: oclgrind.sh LOG SHADOW PROGRAM [ARGUMENT...]
#
# SHADOW is oclgrind_shadow.c, compiled.  With OCLGRIND_EXPECT the run fails where that text is not reported.
set -eu
log=$1
shadow=$2
shift 2
# The simulator writes what it finds to its log and goes on: a run is clean when the log is empty.
for library in /usr/lib/oclgrind /usr/local/lib/oclgrind "$(dirname "$(command -v oclgrind || echo /)")/../lib/oclgrind"; do
    [ -f "$library/liboclgrind-rt-icd.so" ] && break
    library=
done
[ -n "$library" ] || { echo 'no Oclgrind: skipped'; exit 77; }
rm -f "$log"
status=0
export OCL_ICD_VENDORS="$library/liboclgrind-rt-icd.so" OCLGRIND_LOG="$log" OCLGRIND_CHECK_API=1 OCLGRIND_DATA_RACES=1 \
    CLMP_TEST_DEVICE=Oclgrind CLMP_TEST_SMALL=1 CK_INCLUDE_TAGS=small
if [ -n "${OCLGRIND_UNINITIALIZED-}" ]; then
    # Oclgrind 21.10 does not know LLVM's instruction freeze, which only optimised kernels have; and it takes a lane of
    # a vector of 16 for undefined whose number is that of a constant of LLVM's.
    export OCLGRIND_BUILD_OPTIONS=-cl-opt-disable CLMP_TEST_MAX_WIDTH=8
    export LD_PRELOAD="$shadow"
fi
"$@" || status=$?
if [ -n "${OCLGRIND_EXPECT-}" ]; then
    grep -q "$OCLGRIND_EXPECT" "$log" && exit "$status"
    echo "Oclgrind did not report '$OCLGRIND_EXPECT', but:"
    cat "$log"
    exit 1
fi
if [ -s "$log" ]; then
    echo "Oclgrind found:"
    head -n 40 "$log"
    exit 1
fi
exit "$status"
