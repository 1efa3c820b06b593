#!/bin/sh
# Everything that a device can tell about libclmp, in one command: the reference's bits, the suites, the stages' times, each
# kernel's, torch beside them where it is, and a report of it.  At most six minutes.
#
# usage: sh bench/device.sh [--device NAME] [--prebuilt FOLDER] [--output FOLDER] [--quick]
#        sh bench/device.sh --pack FOLDER
#
# --device NAME      as clmp's: a part of the device's name, or #N (default: the first GPU, else the first device)
# --prebuilt FOLDER  a build that is there already, a meson build folder or what --pack made: then neither apt nor a network
#                    is needed
# --output FOLDER    for the results (default: device-results); report.md is what to look at, all of it is what to send in
# --quick            a minute: three suites, small cases
# --pack FOLDER      builds, and packs what this script needs with its libraries, to be carried to the device's machine:
#                    there, `sh FOLDER/device.sh --prebuilt FOLDER`
#
# The exit status is 1 where bits differ or a suite failed, 2 for bad use.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

here=$(cd "$(dirname "$0")" && pwd)
device=
prebuilt=
pack=
output="device-results"
quick=

usage() {
    echo "device: $*" >&2
    sed -n 's/^# \(usage:.*\)/\1/p; s/^#\( *sh bench.*\)/\1/p' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=yes ;;
    --help | -h)
        sed -n '2,/^# SPDX/s/^# \{0,1\}//p' "$0" | sed '/^SPDX/d'
        exit 0
        ;;
    --device | --prebuilt | --output | --pack)
        [ $# -gt 1 ] || usage "$1 needs a value"
        case $1 in
        --device) device=$2 ;;
        --prebuilt) prebuilt=$2 ;;
        --output) output=$2 ;;
        --pack) pack=$2 ;;
        esac
        shift
        ;;
    *) usage "$1 is not an option of this script" ;;
    esac
    shift
done

suites='counts gradient layouts loss losses plan queue threshold tuning upsample weighting weights parts limits crowded'
cases='cityscapes equal ade upsample8'
if [ -n "$quick" ]; then
    suites='loss threshold gradient'
    cases=small
fi

# ---------------------------------------------------------------------------------------------------------------- build

build_here() {
    root=$(cd "$here/.." && pwd)
    build=$root/build-device
    [ -f "$root/meson.build" ] || usage "there is no source beside this script; name a build by --prebuilt"
    sh "$root/tests/setup.sh" tests
    echo "device: building in $build" >&2
    mkdir -p "$build"
    log=$build/device-build.log
    options='-Dcli=enabled -Dtests=enabled -Dbench=enabled -Ddemo=disabled'
    # Word splitting is meant: the options are several words.
    # shellcheck disable=SC2086
    if ! { if [ -f "$build/build.ninja" ]; then meson configure $options "$build"; else
        meson setup $options "$build" "$root"; fi && ninja -C "$build"; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "device: the build failed; all of it is in $log" >&2
        exit 1
    fi
}

# What runs on the device's machine, in a build's own folders, and the shared libraries that a bare system lacks.
pack_to() {
    rm -rf "$1"
    mkdir -p "$1/lib" "$1/tests" "$1/bench" "$1/host/cli"
    cp -L "$build"/host/libclmp*.so.0 "$1/host/"
    for suite in $suites; do
        cp "$build/tests/check_$suite" "$1/tests/"
    done
    cp "$build/tests/matrix" "$1/tests/"
    cp "$build/bench/clmp-bench" "$build/bench/kernel_times.so" "$build"/bench/peer_*.so "$1/bench/"
    cp "$build/host/cli/clmp" "$1/host/cli/"
    mkdir "$1/peers"
    cp "$root"/bench/peers/*.py "$1/peers/"
    mkdir -p "$1/python/libclmp"
    cp "$build"/python/libclmp/*.py "$build/python/libclmp/libclmp.so" "$1/python/libclmp/"
    cp "$0" "$1/device.sh"
    for library in $(ldd "$1"/tests/* "$1"/bench/* "$1"/host/cli/clmp | awk '/=> \// { print $3 }' | sort -u |
        grep -E 'OpenCL|jansson|png|subunit|libz|libcheck|libclblast|stdc\+\+'); do
        cp -L "$library" "$1/lib/"
    done
    du -sh "$1"
}

if [ -n "$prebuilt" ]; then
    build=$(cd "$prebuilt" 2>/dev/null && pwd) || usage "there is no folder $prebuilt"
    [ -x "$build/tests/matrix" ] || usage "$prebuilt is no build with tests and bench: it has no tests/matrix"
else
    build_here
fi
if [ -n "$pack" ]; then
    pack_to "$pack"
    exit 0
fi

# ------------------------------------------------------------------------------------------------------------------ run

mkdir -p "$output"
out=$(cd "$output" && pwd)
export LD_LIBRARY_PATH="$build/host:$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export CK_FORK=no CLMP_TEST_SEED=1 CLMP_TUNING='' POCL_CACHE_DIR="$out/cache/pocl" CLMP_CACHE_DIR=''
mkdir -p "$POCL_CACHE_DIR"

# A container often has a driver, and no list of drivers.
if ! "$build/host/cli/clmp" devices >"$out/devices.txt" 2>&1 || ! grep -q '[^ ]' "$out/devices.txt"; then
    for driver in /usr/local/nvidia/lib64/libnvidia-opencl.so.1 /usr/lib/x86_64-linux-gnu/libnvidia-opencl.so.1; do
        if [ -f "$driver" ] && [ -z "${OCL_ICD_VENDORS-}" ]; then
            mkdir -p "$out/vendors"
            echo "$driver" >"$out/vendors/nvidia.icd"
            export OCL_ICD_VENDORS="$out/vendors" OPENCL_VENDOR_PATH="$out/vendors"
        fi
    done
    "$build/host/cli/clmp" devices >"$out/devices.txt" 2>&1 || {
        cat "$out/devices.txt" >&2
        exit 1
    }
fi

# The device's own name, by the command that users have; the tests take a part of a name.
name=$("$build/host/cli/clmp" weights --device "$device" --json "$(python3 - "$out/one.npy" <<'PYTHON'
import struct, sys
header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
header += b' ' * (-(len(header) + 11) % 64) + b'\n'
with open(sys.argv[1], 'wb') as file:
    file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + struct.pack('<f', 1.0))
print(sys.argv[1])
PYTHON
)" 2>"$out/device.txt" | python3 -c 'import json, sys; print(json.load(sys.stdin)["device"])') || {
    cat "$out/device.txt" >&2
    exit 1
}
rm -f "$out/one.npy"
echo "$name" >"$out/device.txt"
export CLMP_TEST_DEVICE="$name"
begun=$(date +%s)
failed=0
say() {
    printf '%4d s  %s\n' "$(($(date +%s) - begun))" "$*"
}
say "device: $name"

# --- bits: every row of the matrix against plain C
[ -z "$quick" ] || export CLMP_TEST_SMALL=1
mkdir -p "$out/bits" "$out/reference"
rm -f "$out"/bits/* "$out"/reference/*
CLMP_TEST_REFERENCE=1 timeout 100 "$build/tests/matrix" "$out/reference" >"$out/reference.log" 2>&1 || true
status=0
timeout 100 "$build/tests/matrix" "$out/bits" >"$out/bits.log" 2>&1 || status=$?
differ=0
rows=0
for row in "$out"/reference/*; do
    [ -f "$row" ] || continue
    rows=$((rows + 1))
    if ! cmp -s "$row" "$out/bits/$(basename "$row")"; then
        differ=$((differ + 1))
        echo "$(basename "$row") differs" >>"$out/bits.log"
    fi
done
bits="$((rows - differ)) of $rows rows of the matrix have the reference's bits"
if [ $status -ne 0 ] || [ $differ -ne 0 ] || [ $rows -eq 0 ]; then
    failed=1
    bits="$bits (exit status $status; bits.log)"
fi
rm -rf "$out/reference" "$out/bits"
unset CLMP_TEST_SMALL
say "$bits"

# --- times, before the suites make the machine warm
# Each case: stages, and the step over its floor.
arguments=
for case in $cases; do arguments="$arguments --case $case"; done
if [ -z "$quick" ]; then
    arguments="$arguments --case crops --case voc --case binary --case small --case upsample4"
else
    arguments="$arguments --quick"
fi
# Word splitting is meant, as above.
# shellcheck disable=SC2086
timeout 120 "$build/bench/clmp-bench" --device "$name" $arguments --json "$out/stages.json" >"$out/bench.txt" 2>&1 || {
    failed=1
    say "the bench did not end well: bench.txt"
}
say "stages: bench.txt, stages.json"

: >"$out/kernels.txt"
for case in $cases; do
    echo "== $case" >>"$out/kernels.txt"
    LD_PRELOAD="$build/bench/kernel_times.so" timeout 40 "$build/bench/clmp-bench" --device "$name" --case "$case" --repeat 5 \
        2>>"$out/kernels.txt" >/dev/null || true
done
say "kernels: kernels.txt"

# --- suites, several at a time
jobs=$(($(nproc) / 2))
[ "$jobs" -ge 1 ] || jobs=1
[ "$jobs" -le 8 ] || jobs=8
export out build
# shellcheck disable=SC2016,SC2086
printf '%s\n' $suites | xargs -P "$jobs" -I '{}' sh -c '
    status=0
    CK_INCLUDE_TAGS="small device" timeout -s KILL 120 "$build/tests/check_$1" >"$out/suite-$1.log" 2>&1 || status=$?
    counts=$(grep -E "^[0-9]+%" "$out/suite-$1.log" | tail -n 1)
    echo "$1: exit status $status; $counts"' suite '{}' | sort >"$out/suites.txt"
bad=$(grep -vc ': exit status \(0\|77\);' "$out/suites.txt" || true)
[ "$bad" -eq 0 ] || failed=1
suites_line="$(($(wc -l <"$out/suites.txt") - bad)) of $(wc -l <"$out/suites.txt") suites pass"
say "$suites_line"

# --- torch, where it is
torch='no torch with a GPU, or none that takes part: see peers.txt'
if [ -z "$quick" ] && python3 -c 'import torch, pyopencl' >/dev/null 2>&1; then
    peers=$build/peers
    [ -d "$peers" ] || peers=$here/peers
    if timeout 90 python3 "$peers/peers.py" --package "$build/python" --case cityscapes --json "$out/peers.json" \
        >"$out/peers.txt" 2>&1; then
        torch='peers: peers.txt'
    fi
fi
say "$torch"

# ---------------------------------------------------------------------------------------------------------------- report

{
    echo "# libclmp on $name"
    echo
    sed 's/^/    /' "$out/devices.txt"
    echo
    echo "- bits: $bits"
    echo "- suites: $suites_line"
    echo "- $torch"
    echo
    echo '## Stages'
    echo
    sed 's/^/    /' "$out/bench.txt"
    echo
    echo '## Kernels'
    echo
    sed 's/^/    /' "$out/kernels.txt"
    echo
    echo '## Suites'
    echo
    sed 's/^/    /' "$out/suites.txt"
} >"$out/report.md"
rm -rf "$out/cache"
say "report: $output/report.md"
exit $failed
