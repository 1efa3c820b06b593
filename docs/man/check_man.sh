#!/bin/sh
# Manual pages: mandoc finds nothing to complain of, and what whatis looks for is there.
#
# usage: check_man.sh PAGE...
#
# SPDX-License-Identifier: Apache-2.0
set -eu

for tool in mandoc lexgrog; do
    command -v "$tool" >/dev/null || { echo "no $tool: skipped"; exit 77; }
done
checks=0
failures=0
fail() {
    failures=$((failures + 1))
    echo "$*"
}
for page in "$@"; do
    name=${page##*/}
    checks=$((checks + 2))
    # Pages that are not installed yet cannot be found.
    said=$(mandoc -T lint "$page" | grep -v 'referenced manual not found') && fail "$said"
    lexgrog "$page" | grep -q ": \"${name%.*} - " || fail "$name: lexgrog finds no name and description"
done
echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
