#!/bin/sh
# Installs the Debian packages that the demo, the tests, the long checks, clmp-train, the comparison with torch, the
# reference site or the Debian package need, as far as they are missing.
#
# usage: sh tests/setup.sh demo|tests|torture|train|peers|torch|tinygrad|docs|package|intel
#
# torch: the torch of today beside Debian's 1.13, and segmentation_models_pytorch, from the Python package index, into
# build-torture/torch (CLMP_TORTURE_DIR), 5.6 GB, as what is to be had there for x86-64 is the build with CUDA's libraries: for
# slow tests of the Python package, and for build-torture/torch/bin/python bench/peers/peers.py.
#
# tinygrad: into build-torture/tinygrad, 0.2 GB, for the slow test of its example.
#
# intel: Intel's OpenCL for CPUs, from the Python package index, into build-torture/intel (CLMP_TORTURE_DIR), 0.9 GB, for
# tests/matrix.sh and tests/torture.sh.  It has a licence of Intel's own.
#
# CLMP_SETUP=no skips it, for systems that have the same things under other names.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

# To build the library: compiler, build system, OpenCL headers and loader.  PoCL is a device that every machine has.
build='meson ninja-build gcc libc6-dev pkg-config python3 ocl-icd-opencl-dev opencl-c-headers pocl-opencl-icd'
# The demo reads NIfTI, writes PNG, and looks at the brain in mricron-data.
demo='libnifti2-dev libpng-dev mricron-data'
# clmp-train multiplies matrices with CLBlast, and reads PNG, JPEG and JSON.
train='libclblast-dev libpng-dev libjpeg62-turbo-dev libjansson-dev'
# The tests: Check, what the clmp command needs, a C++ compiler for the header, and two more OpenCL devices; make and CMake
# for the examples; mandoc and lexgrog for the manual pages; Pillow to read pictures with; locales to make one from.
tests='check libsubunit-dev libjansson-dev g++ mesa-opencl-icd oclgrind make cmake mandoc man-db python3-pil locales'
# Two MPIs.
mpi='libopenmpi-dev openmpi-bin libmpich-dev mpich'
# The Python package's tests: NumPy, PyOpenCL, torch and mpi4py of /usr/bin/python3, and what checks its types.
python='python3-numpy python3-pyopencl python3-torch python3-mpi4py mypy'
# tests/torture.sh and tests/fuzz.sh: analysers, sanitizers, fuzzing.
torture='clang-14 clang-tidy-14 libclang-rt-14-dev cppcheck valgrind libc6-dbg clang-15 llvm-15 libclc-15'
# bench/peers/peers.py and bench/plot.py, run by /usr/bin/python3.
peers='libjansson-dev python3-numpy python3-pyopencl python3-torch python3-matplotlib'
# docs/build.sh: Sphinx and its theme, KaTeX, mandoc for the manual pages as HTML.
docs='python3-sphinx furo python3-myst-parser python3-sphinx-copybutton katex libjs-katex fonts-katex nodejs mandoc'
# debian/: builds the packages and looks at them; to try them in a system that has nothing else.
package='dpkg-dev debhelper fakeroot lintian autopkgtest debootstrap'
# Intel's runtime, and Intel's mathematical functions, which it needs without naming them.
intel_packages='intel-opencl-rt intel-cmplr-lib-rt'
intel=${CLMP_TORTURE_DIR-$(cd "$(dirname "$0")/.." && pwd)/build-torture}/intel

torch_packages='torch torchvision segmentation-models-pytorch pyopencl matplotlib'
tinygrad=${CLMP_TORTURE_DIR-$(cd "$(dirname "$0")/.." && pwd)/build-torture}/tinygrad
torch=${CLMP_TORTURE_DIR-$(cd "$(dirname "$0")/.." && pwd)/build-torture}/torch

case ${1-} in
demo) wanted="$build $demo" ;;
tests) wanted="$build $demo $train $tests $mpi $python" ;;
torture) wanted="$build $demo $train $tests $mpi $python $torture" ;;
train) wanted="$build $train" ;;
peers) wanted="$build $peers" ;;
docs) wanted="$build $train $docs" ;;
package) wanted="$build $train $package" ;;
torch) wanted="$build $peers python3-venv" ;;
tinygrad) wanted="$build $tests python3-venv" ;;
intel) wanted="$build $tests python3-venv" ;;
*)
    echo 'usage: sh tests/setup.sh demo|tests|torture|train|peers|torch|tinygrad|docs|package|intel' >&2
    exit 2
    ;;
esac

fail() {
    echo "setup: $*" >&2
    exit 1
}

if [ "${CLMP_SETUP-}" = no ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "no apt here; install what Debian calls $wanted, then set CLMP_SETUP=no"
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=none
    if [ "$state" != installed ]; then
        missing="$missing $package"
    fi
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -n "$missing" ]; then
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "must be root, or have sudo, to install:$missing"
        as_root=sudo
    fi
    echo "setup: installing with apt:$missing" >&2
    # Word splitting is meant: one argument per package.
    # shellcheck disable=SC2086
    if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "apt could not install:$missing"
    fi
    echo 'setup: done' >&2
else
    echo 'setup: all packages are there' >&2
fi

# pip_into FOLDER PACKAGE...
pip_into() {
    folder=$1
    shift
    echo "setup: installing with pip, into $folder: $*" >&2
    if ! { /usr/bin/python3 -m venv "$folder" && "$folder/bin/pip" install "$@"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "pip could not install: $*"
    fi
}

if [ "$1" = torch ] && ! "$torch/bin/python" -c 'import torch, segmentation_models_pytorch, pyopencl' >/dev/null 2>&1; then
    # Word splitting is meant, as above.
    # shellcheck disable=SC2086
    pip_into "$torch" $torch_packages
    echo 'setup: done' >&2
fi

if [ "$1" = tinygrad ] && ! "$tinygrad/bin/python" -c 'import tinygrad, numpy' >/dev/null 2>&1; then
    pip_into "$tinygrad" tinygrad numpy
    echo 'setup: done' >&2
fi

# The loader takes a file that names a library; Intel's library finds its own beside it.
if [ "$1" = intel ] && [ ! -f "$intel/intel.icd" ]; then
    # Word splitting is meant, as above.
    # shellcheck disable=SC2086
    pip_into "$intel" $intel_packages
    [ -f "$intel/lib/libintelocl.so" ] || fail "there is no $intel/lib/libintelocl.so in these packages"
    echo "$intel/lib/libintelocl.so" >"$intel/intel.icd"
    echo 'setup: done' >&2
fi
