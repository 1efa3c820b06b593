#!/bin/sh
# Runs a test with kernels that other tests have compiled, which takes most of a test's time, and still alone in its cache:
# two processes that fill one cache of PoCL's at once can fail.  So there are as many caches as tests run at once, and each
# test takes one that is free.  What others have compiled meanwhile it links into its own: PoCL 3.1 gives a program or kernel its
# name in the cache by renaming it when it is whole, and then leaves it as it is.
#
# usage: lane.sh FOLDER PROGRAM [ARGUMENT...]
#
# FOLDER/1, FOLDER/2... are the caches.  Where there is no flock(1), the test keeps the cache that POCL_CACHE_DIR names.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
if command -v flock >/dev/null; then
    for lane in 1 2 3 4 5 6 7 8 9; do
        exec 9>"$folder/$lane.lock"
        if flock -n 9; then # until the last process that has the file open ends
            POCL_CACHE_DIR=$folder/$lane
            mkdir -p "$POCL_CACHE_DIR"
            export POCL_CACHE_DIR
            for other in "$folder"/[1-9]; do # 0.1 s; without GNU's cp, nothing is linked
                [ "$other" = "$POCL_CACHE_DIR" ] ||
                    (cd "$other" && find . -mindepth 2 -type f \( -name '*.so' -o -name program.bc \) \
                        -exec cp -ln --parents -t "$POCL_CACHE_DIR" {} +) || true
            done
            break
        fi
    done
fi
exec "$@"
