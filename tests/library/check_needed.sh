#!/bin/sh
# A library needs, of other shared libraries, no more than the list says; whatever is linked into every program is listed.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: check_needed.sh LIBRARY NAME...    NAME: as libOpenCL, without version; the C library's parts are always allowed
set -eu
command -v readelf >/dev/null || { echo 'no readelf: skipped'; exit 77; }
library=$1
shift
failed=0
checks=0
for needed in $(LC_ALL=C readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
    checks=$((checks + 1))
    case $needed in
    libc.so.* | libm.so.* | libpthread.so.* | ld-linux*) continue ;; # the C library, whole or in parts
    esac
    listed=no
    for name; do
        [ "${needed%%.so*}" = "$name" ] && listed=yes
    done
    if [ "$listed" = no ]; then
        echo "$library needs $needed"
        failed=$((failed + 1))
    fi
done
if [ "$checks" -eq 0 ]; then
    echo "$library needs nothing: not a shared library that was linked as it should"
    failed=1
fi
echo "100%: Checks: $((checks > 0 ? checks : 1)), Failures: $failed, Errors: 0"
[ "$failed" -eq 0 ]
