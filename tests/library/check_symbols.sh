#!/bin/sh
# The library exports what the lists name, no more and no less.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: check_symbols.sh LIBRARY SYMBOLS.txt...
set -eu
command -v nm >/dev/null || { echo 'no nm: skipped'; exit 77; }
library=$1
shift
found=$(mktemp)
listed=$(mktemp)
trap 'rm -f "$found" "$listed"' EXIT
cat "$@" | LC_ALL=C sort >"$listed"
nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort >"$found"
if diff "$listed" "$found"; then
    echo '100%: Checks: 1, Failures: 0, Errors: 0'
else
    echo 'left: listed; right: exported'
    echo '0%: Checks: 1, Failures: 1, Errors: 0'
    exit 1
fi
