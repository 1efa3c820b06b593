#!/bin/sh
# Every device at hand gives the same bits: a table with a column for each device, or way to run it, and a row for each
# stage, loss, weighting, type and layout.  A cell is the beginning of a SHA-256; those of a row must agree.
#
# usage: sh tests/matrix.sh
#
# Builds in build-torture/matrix (CLMP_TORTURE_DIR).  `sh tests/setup.sh intel` brings one more device.  `-` is what a device was not asked, or has none of; the exit status
# is 1 where cells of a row differ, or a row could not be computed.  The first column is the plain C reference.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
torture=${CLMP_TORTURE_DIR-$root/build-torture}
build=$torture/matrix
intel=$torture/intel/intel.icd # by setup.sh

mkdir -p "$build"
log=$build/matrix-build.log
options='-Dcli=disabled -Dtests=enabled -Ddemo=disabled -Dbench=disabled'
# Word splitting is meant: the options are several words.
# shellcheck disable=SC2086
if ! { if [ -f "$build/build.ninja" ]; then meson configure $options "$build"; else meson setup $options "$build" "$root"; fi &&
    ninja -C "$build" tests/matrix; } >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "matrix: the build failed; all of it is in $log"
    exit 1
fi

export CK_FORK=no CLMP_CACHE_DIR='' POCL_CACHE_DIR="$build/pocl" CLMP_TEST_SEED=1 CLMP_TUNING=
matrix=$build/tests/matrix
out=$build/columns
rm -rf "$out"
mkdir -p "$POCL_CACHE_DIR" "$out"
failed=0
columns=

# column NAME [VARIABLE=VALUE...]: one run of the program
column() {
    name=$1
    shift
    mkdir "$out/$name"
    status=0
    env "$@" "$matrix" "$out/$name" >"$out/$name.log" 2>&1 || status=$?
    if [ $status -eq 77 ]; then
        echo "$name: not here"
        return
    fi
    if [ $status -ne 0 ]; then
        echo "$name: FAILED, with exit status $status"
        tail -n 20 "$out/$name.log"
        failed=1
    fi
    columns="$columns $name"
    sed -n "s/^device:/$name:/p" "$out/$name.log"
}

pocl='CLMP_TEST_DEVICE=Portable Computing'
column reference CLMP_TEST_REFERENCE=1
column pocl-1 "$pocl" POCL_MAX_PTHREAD_COUNT=1
column pocl-2 "$pocl" POCL_MAX_PTHREAD_COUNT=2
for index in 0 1; do
    column pocl-two-$index "$pocl" POCL_DEVICES='pthread basic' CLMP_TEST_INDEX=$index
done
for index in 0 1; do
    column pocl-sub-$index "$pocl" CLMP_TEST_PARTS=1 CLMP_TEST_INDEX=$index POCL_MAX_PTHREAD_COUNT=2
done
# Other CPUs than this one, which PoCL calls so: vectors of 8; and of 4 with no fma but in software.
for cpu in avx2:avx2:haswell sse41:sse4_1:penryn; do
    kind=${cpu%%:*}
    flag=${cpu#*:}
    if grep -qw "${flag%:*}" /proc/cpuinfo 2>/dev/null; then
        column "pocl-$kind" CLMP_TEST_DEVICE="${cpu##*:}" POCL_KERNELLIB_NAME="$kind"
    fi
done
column llvmpipe CLMP_TEST_DEVICE=llvmpipe RUSTICL_ENABLE=llvmpipe
for library in /usr/lib/oclgrind /usr/local/lib/oclgrind; do
    if [ -f "$library/liboclgrind-rt-icd.so" ]; then
        column oclgrind OCL_ICD_VENDORS="$library/liboclgrind-rt-icd.so" CLMP_TEST_DEVICE=Oclgrind CLMP_TEST_SMALL=1
        break
    fi
done
if [ -f "$intel" ]; then
    column intel OCL_ICD_VENDORS="$intel" CLMP_TEST_DEVICE=Intel
fi
# Whatever else there is, GPUs first of all.
number=0
"$matrix" >"$out/devices" 2>/dev/null || true
while IFS='	' read -r platform device; do
    case $platform in
    'Portable Computing'* | rusticl | Oclgrind) continue ;;
    esac
    number=$((number + 1))
    column other-$number CLMP_TEST_DEVICE="$device"
done <"$out/devices"

# Hashes are joined, by row: what a column lacks is `-`.
for name in $columns; do
    (cd "$out/$name" && sha256sum -- * 2>/dev/null | sed "s/^\\([0-9a-f]\\{10\\}\\)[0-9a-f]* [ *]/$name \\1 /")
done >"$out/cells"
awk -v columns="$columns" '
    { row = $0; sub(/^[^ ]+ [^ ]+ /, "", row); cell[row, $1] = $2; rows[row] = 1 }
    END {
        n = split(columns, names, " ")
        printf "%-30s", ""
        for (i = 1; i <= n; i++) printf " %-10s", names[i]
        print ""
        count = 0
        for (row in rows) order[++count] = row
        for (i = 2; i <= count; i++)
            for (j = i; j > 1 && order[j] < order[j - 1]; j--) { t = order[j]; order[j] = order[j - 1]; order[j - 1] = t }
        for (r = 1; r <= count; r++) {
            first = ""; differs = 0; line = ""
            for (i = 1; i <= n; i++) {
                c = (order[r], names[i]) in cell ? cell[order[r], names[i]] : "-"
                if (c != "-" && first == "") first = c
                if (c != "-" && c != first) differs = 1
                if (c != "-") cells++
                line = line sprintf(" %-10s", c)
            }
            printf "%-30s%s%s\n", order[r], line, differs ? "  DIFFERS" : ""
            different += differs
        }
        printf "%d rows, %d columns, %d cells, %d rows differ\n", count, n, cells, different
        exit different > 0 || count == 0
    }' "$out/cells" || failed=1
exit $failed
