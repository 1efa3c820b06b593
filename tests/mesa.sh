#!/bin/sh
# Runs a test on Mesa's rusticl, and once more where Mesa crashed as it compiled a kernel: the translator from LLVM 15 to
# SPIR-V (15.0.0) does so about once in some thousand starts, in a pass that erases functions.  A test that crashes prints
# where; that it was there, the innermost calls say.  Any other crash, and a second one, fails the test.
#
# usage: mesa.sh PROGRAM [ARGUMENT...]
#
# SPDX-License-Identifier: Apache-2.0
set -eu

[ $# -gt 0 ] || { echo 'usage: mesa.sh PROGRAM [ARGUMENT...]' >&2; exit 2; }

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
status=0
"$@" 2>"$errors" || status=$?
cat "$errors" >&2
if [ "$status" -gt 128 ] && grep -A 5 '^crashed; where' "$errors" | grep -q libLLVMSPIRVLib; then
    echo 'mesa.sh: it was the translator to SPIR-V that crashed; once more' >&2
    status=0
    "$@" || status=$?
fi
exit "$status"
