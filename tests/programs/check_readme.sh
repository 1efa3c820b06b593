#!/bin/sh
# The first C example of the README compiles as it stands.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: check_readme.sh README.md COMPILER [ARGUMENT...]
set -eu
readme=$1
shift
[ -f "$readme" ] || { echo "no $readme: skipped"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk '/^```c$/ { inside = 1; next } /^```/ && inside { exit } inside' "$readme" >"$folder/example.c"
[ -s "$folder/example.c" ] || { echo "no C example in $readme: skipped"; exit 77; }
if "$@" -std=c11 -Wall -Wextra -Werror -fsyntax-only "$folder/example.c"; then
    echo '100%: Checks: 1, Failures: 0, Errors: 0'
else
    echo '0%: Checks: 1, Failures: 1, Errors: 0'
    exit 1
fi
