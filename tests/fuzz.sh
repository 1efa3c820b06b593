#!/bin/sh
# Fuzzes with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer: each fuzzer of tests/fuzz in turn, on one core.
#
# usage: sh tests/fuzz.sh [SECONDS [NAME...]]    SECONDS: for each (default 60); NAME: cache, npy, options, params, picture, png
#
# Builds in build-fuzz, where logs, findings (NAME-crash-..) and inputs that reach new code (NAME/) go; the committed
# corpus is only read.  The exit status is 1 where there are findings: `build-fuzz/tests/fuzz/fuzz_NAME FILE` repeats one.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-fuzz
seconds=${1-60}
[ $# -eq 0 ] || shift
[ $# -ne 0 ] || set -- npy png picture options cache params

clang=${CLANG-clang-14}
if ! command -v "$clang" >/dev/null ||
    ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n ? 0 : 0; }' |
    "$clang" -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null; then
    echo 'fuzz: needs the Debian packages clang-14 and libclang-rt-14-dev (CLANG names another clang)' >&2
    exit 2
fi

if [ ! -f "$build/build.ninja" ]; then
    CC=$clang meson setup -Dfuzz=true -Dcli=enabled -Dtests=enabled -Ddemo=disabled -Dbench=disabled \
        -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false "$build" "$root"
fi
meson compile -C "$build"

# Programs are kept from run to run: to compile them is most of the time.  PoCL's threads stay on one core's share.
export POCL_CACHE_DIR="$build/pocl" CLMP_CACHE_DIR="$build/programs" POCL_MAX_PTHREAD_COUNT=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p "$POCL_CACHE_DIR"
TMPDIR=$(mktemp -d) # a fuzzer that crashes leaves its files
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# Sets `processor` to the seconds of processor time that the shell's children took so far.
read_processor() {
    times >"$TMPDIR/times" # in no pipe, where there are no children yet
    processor=$(awk 'NR == 2 { split($1, user, /[ms]/); split($2, kernel, /[ms]/)
        printf "%.0f", 60 * (user[1] + kernel[1]) + user[2] + kernel[2] }' "$TMPDIR/times")
}

status=0
for name in "$@"; do
    case $name in
    # OpenCL runtimes leave memory behind, and PoCL's compiler takes seconds: leaks are looked for in the others.
    cache | params)
        export ASAN_OPTIONS=detect_leaks=0
        options='-rss_limit_mb=6144 -timeout=120'
        ;;
    *)
        export ASAN_OPTIONS=detect_leaks=1
        options='-timeout=20'
        ;;
    esac
    case $name in
    params) options="$options -max_len=320" ;;
    options) options="$options -max_len=512 -dict=$root/tests/fuzz/options.dict" ;;
    npy) options="$options -max_len=2048 -dict=$root/tests/fuzz/npy.dict" ;;
    *) options="$options -max_len=4096" ;;
    esac
    mkdir -p "$build/$name"
    log=$build/$name.log
    read_processor
    before=$processor
    # Word splitting is meant: the options are several words.
    # shellcheck disable=SC2086
    if "$build/tests/fuzz/fuzz_$name" $options -max_total_time="$seconds" -artifact_prefix="$build/$name-" \
        "$build/$name" "$root/tests/fuzz/corpus/$name" >"$log" 2>&1; then
        read_processor
        echo "$name: $(grep 'DONE.*cov:' "$log") cpu: $((processor - before)) s"
    else
        echo "$name: FOUND something; $log has:"
        tail -n 40 "$log"
        status=1
    fi
done
exit $status
