#!/bin/sh
# The long checks, one after the other: sanitizers, analysers, coverage, simulated devices, fuzzing.
#
# usage: sh tests/torture.sh [--list | NAME...]    without names: all of them
#
# A check NAME is a function check_NAME of this file, or the script tests/NAME.sh.  It fails by its exit status; 77 means
# that something it needs is not there (sh tests/setup.sh torture).  Each prints a line here: name, seconds, result.  The
# exit status is 1 where one failed.  Logs and builds are in build-torture (CLMP_TORTURE_DIR); JOBS limits the processes
# that run at once.
#
# SPDX-License-Identifier: Apache-2.0
#
# Checks are called by name, which shellcheck does not see.
# shellcheck disable=SC2317
set -eu

# In the order in which they run: what takes least comes first.
names='codegen tidy cppcheck analyzer asan tsan valgrind coverage oclgrind uninitialized intel matrix limits crowded kills faults fuzz'

CLMP_ROOT=$(cd "$(dirname "$0")/.." && pwd)
CLMP_TORTURE_DIR=${CLMP_TORTURE_DIR-$CLMP_ROOT/build-torture}
JOBS=${JOBS-$(getconf _NPROCESSORS_ONLN)}
export CLMP_ROOT CLMP_TORTURE_DIR JOBS
tests=$CLMP_ROOT/tests

# ------------------------------------------------------------------------------------------------- what checks share

# Skips the check where a program is not there.
need() {
    if ! command -v "$1" >/dev/null; then
        echo "there is no $1"
        exit 77
    fi
}

# Builds build-torture/NAME with Meson's options, and GCC if the check does not say otherwise; `dir` is that folder.
prepare() {
    dir=$CLMP_TORTURE_DIR/$1
    shift
    again=
    if [ -f "$dir/build.ninja" ]; then
        again=--reconfigure
    fi
    # shellcheck disable=SC2086
    CC=${CC-gcc} meson setup $again -Dcli=enabled -Dtests=disabled -Ddemo=disabled -Dbench=disabled "$@" "$dir" \
        "$CLMP_ROOT"
    meson compile -C "$dir" -j "$JOBS"
}

# meson test in `dir`.  Simulators and sanitizers take many times as long as a test's limit says.
run_tests() {
    meson test -C "$dir" --no-rebuild --num-processes "$JOBS" --timeout-multiplier 30 --print-errorlogs "$@"
}

# ------------------------------------------------------------------------------------------------------------ checks

# What GPUs would run: no kernel has a stack, or spills registers, but those that are known to.
check_codegen() {
    python3 "$tests/codegen.py"
}

# clang-tidy 14 on the library, the command and the trainer; .clang-tidy says which checks, and why.
check_tidy() {
    need clang-tidy-14
    # A process for each file, and each file once in a build: what clang-tidy 14 knows of va_list goes from one to the
    # next.  The trainer takes parts of the command.
    prepare plain -Dtrain=disabled
    printf '%s\n' host/core/*.c host/plan/*.c host/stages/*.c host/head/*.c host/cli/*.c | xargs -n 1 -P "$JOBS" clang-tidy-14 -p "$dir" --quiet
    prepare plain-train -Dtrain=enabled -Dcli=disabled
    printf '%s\n' host/train/*.c | xargs -n 1 -P "$JOBS" clang-tidy-14 -p "$dir" --quiet
}

# cppcheck on the library, the command and the trainer.
check_cppcheck() {
    need cppcheck
    # System headers are left out: cppcheck knows the C library and POSIX.  Off: readdir() reads a DIR that nobody else
    # has, as POSIX allows.
    cppcheck --std=c11 --library=posix -Iinclude -Ihost -Ikernels -D_POSIX_C_SOURCE=200809L -DUINTPTR_MAX=UINT64_MAX \
        --enable=warning,performance,portability --inconclusive --suppress=readdirCalled --error-exitcode=1 --quiet \
        -j "$JOBS" host
}

# GCC's analyser on the library, the command and the trainer: it follows paths from function to function.  GCC 12 takes
# memory for lost whose address is kept in an array, at an index that it does not know, as those of the command's outputs
# are: there leaks are left to asan and valgrind.
check_analyzer() {
    prepare analyzer -Dcli=disabled -Dtrain=disabled -Dwerror=true -Dc_args=-fanalyzer
    prepare analyzer-cli -Dtrain=enabled -Dwerror=true '-Dc_args=-fanalyzer -Wno-analyzer-malloc-leak'
}

# AddressSanitizer, with leaks, and UndefinedBehaviorSanitizer.  OpenCL C defines shifts of negative numbers, and the
# references run code of kernels.
check_asan() {
    prepare asan -Dtests=enabled -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
        "-Dc_args=-fsanitize=float-cast-overflow -fno-sanitize=shift-base -fno-sanitize-recover=undefined"
    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
    # Mesa's library loses memory as it is loaded: here the loader finds PoCL alone.
    if [ -f /etc/OpenCL/vendors/pocl.icd ]; then
        export OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd
    fi
    export LSAN_OPTIONS="suppressions=$tests/suppressions/lsan.txt:print_suppressions=0"
    run_tests --suite quick || again_where_the_tracer_crashed
}

# LeakSanitizer itself crashes now and then as it stops the threads: such tests, and no others that failed, are run again.
again_where_the_tracer_crashed() {
    python3 - "$dir/meson-logs/testlog.json" <<'PYTHON' >"$dir/again"
import json
import sys

for line in open(sys.argv[1], encoding='utf-8'):
    test = json.loads(line)
    if test['result'] == 'FAIL':
        if 'LeakSanitizer has encountered a fatal error' not in (test.get('stderr') or ''):
            sys.exit(f"failed: {test['name']}")
        print(test['name'].split(' / ')[-1])
PYTHON
    while read -r name; do
        run_tests "$name"
    done <"$dir/again"
}

# ThreadSanitizer: threads that share a context, all that waits for events, and ranks, also over a thousand steps.
check_tsan() {
    prepare tsan -Dtests=enabled -Dbuildtype=debugoptimized -Db_sanitize=thread
    export TSAN_OPTIONS="suppressions=$tests/suppressions/tsan.txt:halt_on_error=0:exitcode=66:second_deadlock_stack=1"
    export CLMP_TEST_STEPS=1000
    run_tests 'queue quick' 'queue' 'cache quick' 'cache' 'local_ranks' 'ranks quick' 'ranks' 'rank_errors'
}

# Memcheck: single cases, as PoCL compiles for minutes here.  It sees what is read before it is written, which asan does
# not; leaks are asan's.  No case that compares with the exact reference: valgrind computes long double with 64 bits.
check_valgrind() {
    need valgrind
    prepare valgrind -Dtests=enabled -Dbuildtype=debugoptimized
    export CK_FORK=no CK_INCLUDE_TAGS=quick CLMP_TEST_SMALL=1 CLMP_CACHE_DIR='' POCL_CACHE_DIR="$dir/pocl"
    export OCL_ICD_VENDORS="${OCL_ICD_VENDORS-/etc/OpenCL/vendors/pocl.icd}"
    mkdir -p "$POCL_CACHE_DIR"
    failed=0
    # a case (-: all that are quick), the program, its arguments
    while read -r case program arguments; do
        echo "== $program $arguments, case $case"
        unset CK_RUN_CASE
        if [ "$case" != - ]; then
            CK_RUN_CASE=$(echo "$case" | tr _ ' ')
            export CK_RUN_CASE
        fi
        out=$dir/valgrind.txt
        # Word splitting is meant.  Check says of a case that is not there: 0 of 0 passed.
        # shellcheck disable=SC2086
        valgrind -q --error-exitcode=9 --num-callers=30 --suppressions="$tests/suppressions/valgrind.txt" \
            "$dir/tests/$program" $arguments >"$out" 2>&1 </dev/null || failed=1
        ! grep -q 'Checks: 0' "$out" || failed=1
        cat "$out"
    done <<LIST
- check_npy
- fuzz/fuzz_npy $tests/fuzz/corpus/npy 100
- fuzz/fuzz_png $tests/fuzz/corpus/png 100
- fuzz/fuzz_options $tests/fuzz/corpus/options 100
host check_counts
messages check_sized
structs_that_are_written check_sized
library check_plan
lifetime check_queue
plans check_upsample
LIST
    [ "$failed" -eq 0 ]
}

# The suites with gcov: what of the library and the command they reach, and of the trainer, an example that is held to
# less.  At -O0, where branches are those of the source.
check_coverage() {
    need gcov
    prepare coverage -Dtests=enabled -Dtrain=enabled -Dbuildtype=debug -Db_coverage=true
    find "$dir" -name '*.gcda' -delete
    run_tests --suite quick --suite full
    failed=0
    while read -r folder lines branches; do
        echo "== $folder"
        python3 "$tests/coverage.py" "$dir" "$folder" "$lines" "$branches" || failed=1
    done <<LIST
host 95 85
host/cli 95 85
host/train 90 70
LIST
    [ "$failed" -eq 0 ]
}

# Every kernel on Oclgrind: data races, and what the API is asked.
check_oclgrind() {
    need oclgrind
    prepare plain-tests -Dtests=enabled
    run_tests --suite oclgrind
}

# And values that nothing wrote, on unoptimised kernels: ten times as long.
check_uninitialized() {
    need oclgrind
    prepare plain-tests -Dtests=enabled
    OCLGRIND_UNINITIALIZED=1 run_tests --suite oclgrind
}

# The library's suites on Intel's runtime for CPUs.
check_intel() {
    icd=$CLMP_TORTURE_DIR/intel/intel.icd
    if [ ! -f "$icd" ]; then
        echo "there is no $icd (sh tests/setup.sh intel)"
        exit 77
    fi
    prepare plain-tests -Dtests=enabled
    OCL_ICD_VENDORS=$icd run_tests counts gradient head large layouts loss losses plan queue threshold tuning upsample \
        weighting weights
}

check_fuzz() {
    sh "$tests/fuzz.sh" 600
}

# ----------------------------------------------------------------------------------------------------------------------

# Whether there is a check of that name.
is_check() {
    case $1 in
    codegen | tidy | cppcheck | analyzer | asan | tsan | valgrind | coverage | oclgrind | uninitialized | intel | fuzz) true ;;
    *) [ -f "$tests/$1.sh" ] ;;
    esac
}

there=
for name in $names; do
    if is_check "$name"; then
        there="$there $name"
    fi
done
case ${1-} in
--list)
    # Word splitting is meant.
    # shellcheck disable=SC2086
    printf '%s\n' $there
    exit 0
    ;;
-*)
    echo 'usage: sh tests/torture.sh [--list | NAME...]' >&2
    exit 2
    ;;
esac
# shellcheck disable=SC2086
[ $# -ne 0 ] || set -- $there
for name in "$@"; do
    case " $there " in
    *" $name "*) ;;
    *)
        echo "torture: there is no check '$name'; --list lists them" >&2
        exit 2
        ;;
    esac
done

mkdir -p "$CLMP_TORTURE_DIR"
failed=0
for name in "$@"; do
    log=$CLMP_TORTURE_DIR/$name.log
    start=$(date +%s)
    # In no condition, where the shell would not heed -e.
    set +e
    (
        set -e
        cd "$CLMP_ROOT"
        if command -v "check_$name" >/dev/null; then
            "check_$name"
        else
            sh "$tests/$name.sh"
        fi
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    case $status in
    0) result=passed ;;
    77) result="skipped: $(tail -n 1 "$log")" ;;
    *)
        result="FAILED (exit status $status): $log"
        failed=1
        ;;
    esac
    printf '%-10s %6d s  %s\n' "$name" $(($(date +%s) - start)) "$result"
done
exit $failed
