#!/bin/sh
# Builds and runs the tests.  The last line counts them: N passed, N failed.
#
# usage: sh tests/run.sh [quick|cpus|all [N]]
#
# Without a word: the short tests, which cover every stage, solver, program and file reader on PoCL, and the stages' small
# cases as on a CPU that has no more than SSE4.1.  quick: PoCL as it is alone.  cpus: as without a word, and as on a CPU
# without AVX-512, and injected faults.  all: everything.  With N, which continuous integration has: all of cpus, and of what
# else there is each N-th case alone, another one for another commit (CLMP_TEST_FRACTION=K/N chooses, K from 0).
# CONTRIBUTING.md has a table.
#
# A test is one of Check's tests, or a whole program that is none of Check's; a build that fails is a failed test.
# With CI set, warnings are errors.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-tests

usage() {
    echo 'usage: sh tests/run.sh [quick|cpus|all [N]]' >&2
    exit 2
}

rest= # suites of which each n-th case is run
n=${2-}
cpus='--suite quick --suite default --suite sse41 --suite avx2 --suite faults'
case $#${1-} in
0 | 1) suites='--suite quick --suite default --suite sse41' minutes=5 ;;
1quick) suites='--suite quick' minutes=3 ;;
1cpus) suites=$cpus minutes=8 ;;
1all) suites='--no-suite twice' minutes=45 ;; # what is twice here is once in the suite full, too
2all)
    case $n in
    '' | 0* | *[!0-9]*) usage ;;
    esac
    suites=$cpus rest="--no-suite twice $(echo "$cpus" | sed 's/--suite/--no-suite/g')" minutes=20
    ;;
*) usage ;;
esac
werror=false
if [ -n "${CI-}" ]; then
    werror=true
fi

sh "$root/tests/setup.sh" tests

fail_build() {
    tail -n 60 "$log"
    echo "the build failed; all of it is in $log"
    echo '0 passed, 1 failed'
    exit 1
}

mkdir -p "$build"
log=$build/tests-build.log
options="-Dcli=enabled -Dclblast=enabled -Dmpi=enabled -Dtrain=enabled -Dtests=enabled -Ddemo=enabled -Dwerror=$werror"
echo "building in $build, a minute or two"
# Word splitting is meant: the options are several words.
# shellcheck disable=SC2086
if [ -f "$build/build.ninja" ]; then
    meson configure $options "$build" >"$log" 2>&1 || fail_build
else
    meson setup $options "$build" "$root" >"$log" 2>&1 || fail_build
fi
meson compile -C "$build" >>"$log" 2>&1 || fail_build

# Logs of an earlier run must not be counted as this one's.
logs=$build/meson-logs
rm -f "$logs/testlog.json" "$logs/restlog.json"
fraction=${CLMP_TEST_FRACTION-}
unset CLMP_TEST_FRACTION # but where N is given, all of the suites is run
# Time-outs are for quick machines: three times as long is for slow ones, and for those that do something else besides.
run_suites() {
    meson test -C "$build" --no-rebuild --timeout-multiplier 3 "$@" || true # what failed is told, and counted, from the log
}
echo "running the tests, some $minutes minutes on two cores; a line for each that ends"
# shellcheck disable=SC2086
run_suites --logbase testlog $suites
if [ -n "$rest" ]; then
    # the commit's number, or the day's where this is no checkout
    number=$(git -C "$root" rev-parse --short=7 HEAD 2>/dev/null | cut -c 1-7) || true
    number=$((${number:+0x}${number:-$(date +%s) / 86400} % n))
    export CLMP_TEST_FRACTION="${fraction:-$number/$n}"
    echo "CLMP_TEST_FRACTION=$CLMP_TEST_FRACTION"
    # shellcheck disable=SC2086
    run_suites --logbase restlog $rest
fi
set -- "$logs/testlog.json" ${rest:+"$logs/restlog.json"}
if [ ! -f "$1" ] || { [ -n "$rest" ] && [ ! -f "$2" ]; }; then
    echo 'no test ran'
    echo '0 passed, 1 failed'
    exit 1
fi

# Names and output of what failed, then the count.  Python is there: meson is written in it.
exec python3 - "$@" <<'PYTHON'
import json
import re
import sys

passed = failed = skipped = 0
for line in (line for log in sys.argv[1:] for line in open(log, encoding='utf-8')):
    test = json.loads(line)
    counts = [tuple(map(int, c)) for c in
              re.findall(r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)', test['stdout'] or '', re.M)]
    checks = sum(c for c, _, _ in counts)
    broken = sum(f + e for _, f, e in counts)
    if test['result'] == 'SKIP':
        skipped += 1
        continue
    if test['result'] in ('OK', 'EXPECTEDFAIL'):
        passed += checks - broken if counts else 1
        failed += broken
        bad = broken > 0
    else:
        # A program that failed without a failed check crashed, or was stopped: that is a failure of its own.
        passed += checks - broken
        failed += max(1, broken)
        bad = True
    if bad:
        code = test['returncode']
        how = f'signal {-code}' if code < 0 else f'exit status {code}'
        print(f"\nFAILED: {test['name']} ({test['result'].lower()}, {how})")
        for stream in ('stdout', 'stderr'):
            lines = (test.get(stream) or '').splitlines()
            # Check names each test that passed only when told to be verbose.
            lines = [text for text in lines if not re.search(r':P:', text)]
            for text in lines[-60:]:
                print('    ' + text)

print('\nlog: ' + ', '.join(sys.argv[1:]).replace('.json', '.txt'))
print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
sys.exit(1 if failed or not passed else 0)
PYTHON
