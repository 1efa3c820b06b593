#!/bin/sh
# Runs a test's small cases on Oclgrind, a simulated device that reports data races, divergence, values that nothing
# wrote, and calls of OpenCL that are wrong.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: oclgrind.sh LOG PROGRAM
set -eu
log=$1
program=$2
# The simulator writes what it finds to its log and goes on: a run is clean when the log is empty.
for library in /usr/lib/oclgrind /usr/local/lib/oclgrind "$(dirname "$(command -v oclgrind || echo /)")/../lib/oclgrind"; do
    [ -f "$library/liboclgrind-rt-icd.so" ] && break
    library=
done
[ -n "$library" ] || { echo 'no Oclgrind: skipped'; exit 77; }
rm -f "$log"
status=0
OCL_ICD_VENDORS="$library/liboclgrind-rt-icd.so" OCLGRIND_DATA_RACES=1 OCLGRIND_UNINITIALIZED=1 OCLGRIND_CHECK_API=1 \
    OCLGRIND_LOG="$log" CLMP_TEST_DEVICE=Oclgrind CLMP_TEST_SMALL=1 CK_INCLUDE_TAGS=small "$program" || status=$?
if [ -s "$log" ]; then
    echo "Oclgrind found:"
    head -n 40 "$log"
    exit 1
fi
exit "$status"
