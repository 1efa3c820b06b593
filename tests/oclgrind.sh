#!/bin/sh
# Runs a test's small cases on Oclgrind, a simulated device that reports data races, divergence, and calls of
# OpenCL that are wrong.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: oclgrind.sh LOG FILL PROGRAM     FILL: fill_by_write.c, compiled
set -eu
log=$1
fill=$2
program=$3
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
# With OCLGRIND_UNINITIALIZED=1 it looks for values that nothing wrote, too.  Of these Oclgrind 21.10 has some wrong:
# fills (fill_by_write.c), and LLVM's instruction freeze, which only optimised kernels have.
if [ -n "${OCLGRIND_UNINITIALIZED-}" ]; then
    export OCLGRIND_BUILD_OPTIONS=-cl-opt-disable
fi
LD_PRELOAD="$fill" "$program" || status=$?
if [ -s "$log" ]; then
    echo "Oclgrind found:"
    head -n 40 "$log"
    exit 1
fi
exit "$status"
