#!/bin/sh
# Runs a test with kernels that other tests have compiled, which takes most of a test's time, and still alone in its cache:
# two processes that fill one cache of PoCL's at once can fail.  So there are as many caches as tests run at once, and each
# test takes one that is free.  What others have compiled meanwhile it links into its own: files of PoCL's cache come to be whole,
# by being renamed, and stay as they are.
#
# usage: lane.sh FOLDER PROGRAM [ARGUMENT...]
#
# FOLDER/1, FOLDER/2... are the caches.  Where there is no flock(1), the test keeps the cache that POCL_CACHE_DIR names.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

folder=$1
shift
if command -v flock >/dev/null; then
    mkdir -p "$folder"
    for lane in 1 2 3 4 5 6 7 8 9; do
        exec 9>"$folder/$lane.lock"
        if flock -n 9; then # until the last process that has the file open ends
            POCL_CACHE_DIR=$folder/$lane
            mkdir -p "$POCL_CACHE_DIR"
            export POCL_CACHE_DIR
            for other in "$folder"/[1-9]; do # links that are there are refused, and the tree's folders made
                [ "$other" = "$POCL_CACHE_DIR" ] ||
                    (cd "$other" && find . -type f \( -name '*.so' -o -name program.bc -o -name last_accessed \) \
                        -exec cp -lnu --parents -t "$POCL_CACHE_DIR" {} +) 2>/dev/null || true
            done
            break
        fi
    done
fi
exec "$@"
