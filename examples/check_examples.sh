#!/bin/sh
# Installs libclmp into an empty folder, builds the examples there against it, with the Makefile and with CMake, and runs
# them: each prints what its first comment says.
#
# usage: check_examples.sh SOURCE FOLDER CLBLAST
#
# SPDX-License-Identifier: Apache-2.0
set -eu

source=$1
folder=$2
clblast=$3
for tool in meson ninja make pkg-config cmake c++; do
    command -v "$tool" >/dev/null || { echo "no $tool: skipped"; exit 77; }
done

checks=0
failures=0
check() { # WHAT COMMAND...
    what=$1
    shift
    checks=$((checks + 1))
    "$@" >"$folder/log" 2>&1 || {
        failures=$((failures + 1))
        echo "$what:"
        sed 's/^/    /' "$folder/log"
    }
}

prefix=$folder/prefix
rm -rf "$prefix" "$folder/make" "$folder/cmake"
mkdir -p "$folder"
{
    # The library as it is; only what is not optimised is built in some seconds.
    [ -f "$folder/build/build.ninja" ] || meson setup "$folder/build" "$source" --prefix "$prefix" --buildtype plain \
        -Dclblast="$clblast" -Dcli=disabled -Dtrain=disabled -Dtests=disabled -Ddemo=disabled -Dbench=disabled
    meson install -C "$folder/build"
} >"$folder/log" 2>&1 || {
    tail -n 40 "$folder/log"
    exit 1
}

pc=$(find "$prefix" -name clmp.pc)
PKG_CONFIG_PATH=${pc%/*}
LD_LIBRARY_PATH=${pc%/pkgconfig/*}
export PKG_CONFIG_PATH LD_LIBRARY_PATH

# What a comment says, less its frame.
says() {
    awk '/It prints:/ { on = 1; next } on && /^( \*|\/\/)     / { sub(/^( \*|\/\/)     /, ""); print; next } on { exit }' "$1"
}

run() { # PROGRAM SOURCE
    says "$2" >"$folder/says"
    [ -s "$folder/says" ] && "$1" >"$folder/prints" && diff "$folder/says" "$folder/prints"
}

examples() { # FOLDER
    for file in "$source"/examples/*.c "$source"/examples/*.cpp; do
        name=${file##*/}
        name=${name%.*}
        if [ "$name" = head ] && ! pkg-config --exists clmp-head; then
            continue
        fi
        check "$1/$name" run "$1/$name" "$file"
    done
}

mkdir "$folder/make" "$folder/cmake"
cp "$source"/examples/*.c "$source"/examples/*.cpp "$source/examples/Makefile" "$folder/make"
check 'make' make -C "$folder/make"
examples "$folder/make"

cp "$source"/examples/*.c "$source"/examples/*.cpp "$source/examples/CMakeLists.txt" "$folder/cmake"
check 'cmake' cmake -S "$folder/cmake" -B "$folder/cmake/build" -DCMAKE_PREFIX_PATH="$prefix"
check 'cmake --build' cmake --build "$folder/cmake/build"
examples "$folder/cmake/build"

# A version is found where it is compatible, and only there.
version=$(pkg-config --modversion clmp)
finds() { # yes|no VERSION
    mkdir -p "$folder/cmake/version"
    cat >"$folder/cmake/version/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.16)
project(version C)
find_package(clmp $2 QUIET)
if(clmp_FOUND AND NOT "\${clmp_VERSION}" VERSION_EQUAL "$version")
  message(FATAL_ERROR "found \${clmp_VERSION}")
endif()
if(NOT "$1" STREQUAL "yes" AND clmp_FOUND OR "$1" STREQUAL "yes" AND NOT clmp_FOUND)
  message(FATAL_ERROR "clmp $2: found '\${clmp_FOUND}'")
endif()
CMAKE
    cmake -S "$folder/cmake/version" -B "$folder/cmake/version/build" -DCMAKE_PREFIX_PATH="$prefix"
}
check 'find_package of any version' finds yes ''
check "find_package of $version" finds yes "$version EXACT"
check 'find_package of 0.1' finds yes 0.1
check 'find_package of a range' finds yes 0.1...1
check 'find_package of a later version' finds no 0.999
check 'find_package of the next version' finds no 1.0
check 'find_package of a range of later ones' finds no 0.998...0.999

echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
