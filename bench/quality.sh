#!/bin/sh
# Builds clmp-train, and trains a small network with several weightings and seeds on a folder laid out as CamVid.
#
# usage: sh bench/quality.sh DATA FOLDER [option of clmp-train compare...]
#
# Settings are chosen on a quarter of the training split, which is held out for it, and reported on the validation split.
# Makes FOLDER/table.txt, table.csv, comparison.json, plot.png, curves.png and evolution.png, a folder for each run, and
# the same in FOLDER/choice for the choice.  It takes hours on a CPU; Ctrl-C stops it, and the same command continues.
# Options that are given win over those below.
#
# JOBS=2 in the environment trains two runs at once, each on one core of a CPU, which takes two thirds of the time that both
# cores take for one run after the other; the results are the same.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

if [ $# -lt 2 ]; then
    echo 'usage: sh bench/quality.sh DATA FOLDER [option of clmp-train compare...]' >&2
    exit 2
fi
jobs=${JOBS:-1}
case $jobs in
*[!0-9]* | 0*)
    echo "quality: JOBS is '$jobs', expected a number from 1" >&2
    exit 2
    ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-quality-tools
train=$build/host/train/clmp-train
data=$1
folder=$2
shift 2

sh "$root/tests/setup.sh" train
mkdir -p "$build"
log=$build/quality-build.log
{
    if [ ! -f "$build/build.ninja" ]; then
        meson setup "$build" "$root" -Dclblast=enabled -Dtrain=enabled -Dtests=disabled -Dcli=disabled \
            -Ddemo=disabled -Dbench=disabled
    fi
    meson compile -C "$build"
} >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    echo "quality: the build failed; all of it is in $log" >&2
    exit 1
}

note='of unknown commit'
if commit=$(git -C "$root" describe --always --dirty 2>/dev/null); then
    note="commit $commit"
fi

# Uniform is first: what the others are compared with.  Focal losses, square roots of the median frequency and these with
# loss max-pooling are families of their own.
set -- compare "$data" -o "$folder" --classes "$(dirname "$0")/quality/camvid.txt" \
    --choose-on 0.25 --choose-seeds 1 --seeds 5 --note "$note" \
    --steps 4000 --schedule poly --weight-decay 0.01 --scale 0.5,2 --colour 0.5 --validate 500 \
    --weightings "uniform,lmp:p=1.7:support=0.5,lmp:p=1.7:support=0.25,lmp:p=1.7:support=0.1,lmp:p=1.3:support=0.25,\
topk:support=0.5,topk:support=0.25,ohem:thresh=0.7:min-kept=5000,ohem:thresh=0.9:min-kept=5000,\
uniform:loss=focal:gamma=1,uniform:loss=focal:gamma=2,\
uniform+median-sqrt,lmp:p=1.7:support=0.5+median-sqrt,lmp:p=1.7:support=0.25+median-sqrt" "$@"

if [ "$jobs" -eq 1 ]; then
    exec "$train" "$@"
fi

# A thread and a cache of PoCL's for each; other runtimes take no notice of them.  All end with this script.
export POCL_MAX_PTHREAD_COUNT=1
mkdir -p "$folder"
caches=$(cd "$folder" && pwd)
pids=
stop() {
    # shellcheck disable=SC2086
    kill -TERM $pids 2>/dev/null || true
}
trap stop INT TERM
job=$jobs
while [ "$job" -ge 1 ]; do
    mkdir -p "$caches/job-$job"
    if [ "$job" -eq 1 ]; then
        POCL_CACHE_DIR=$caches/job-1 "$train" "$@" &
        first=$!
    else
        POCL_CACHE_DIR=$caches/job-$job "$train" "$@" >"$folder/job-$job.log" 2>&1 &
    fi
    pids="$pids $!"
    job=$((job - 1))
done
echo "quality: $jobs processes; what the others than this one say is in $folder/job-N.log" >&2
status=0
while kill -0 "$first" 2>/dev/null; do # a signal ends a wait early
    wait "$first" && status=0 || status=$?
done
[ "$status" -eq 0 ] || stop # and the others with it
wait
exit "$status"
