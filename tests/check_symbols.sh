#!/bin/sh
# The library exports what tests/symbols.txt lists, no more and no less.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: check_symbols.sh LIBRARY SYMBOLS.txt
set -eu
command -v nm >/dev/null || { echo 'no nm: skipped'; exit 77; }
found=$(mktemp)
trap 'rm -f "$found"' EXIT
nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort >"$found"
if diff "$2" "$found"; then
    echo '100%: Checks: 1, Failures: 0, Errors: 0'
else
    echo 'left: listed; right: exported'
    echo '0%: Checks: 1, Failures: 1, Errors: 0'
    exit 1
fi
