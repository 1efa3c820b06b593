#!/bin/sh
# The demo, from nothing: installs what is missing, builds, runs.
#
# usage: sh bench/demo.sh [options of clmp-demo; --help lists them]
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-demo

sh "$root/tests/setup.sh" demo

echo "demo: building in $build" >&2
mkdir -p "$build"
log=$build/demo-build.log
{
    if [ ! -f "$build/build.ninja" ]; then
        meson setup "$build" "$root" -Ddemo=enabled -Dtests=disabled -Dcli=disabled -Dbench=disabled \
            -Dclblast=disabled
    fi
    meson compile -C "$build"
} >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    echo "demo: the build failed; all of it is in $log" >&2
    exit 1
}

# A later --output wins over this one.
exec "$build/bench/clmp-demo" --output "$build/demo.png" "$@"
