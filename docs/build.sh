#!/bin/sh
# Makes the reference site, build-docs/html/index.html, of what is in the tree: README, guides, headers, examples, manual
# pages, results.  Nothing is loaded from elsewhere, neither now (but packages that are missing) nor when it is read.
#
# usage: sh docs/build.sh
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-docs

sh "$root/tests/setup.sh" docs

# The manual pages are made of what the programs say of themselves.
echo "docs: building in $build" >&2
mkdir -p "$build"
log=$build/docs-build.log
{
    if [ ! -f "$build/programs/build.ninja" ]; then
        meson setup "$build/programs" "$root" --buildtype plain -Dcli=enabled -Dclblast=enabled -Dtrain=enabled \
            -Dbench=enabled -Dtests=disabled -Ddemo=disabled
    fi
    meson compile -C "$build/programs"
} >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    echo "docs: the build failed; all of it is in $log" >&2
    exit 1
}

# Sphinx is Debian's, whatever python3 comes first.
rm -rf "$build/source" "$build/html"
export PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 "$root/docs/site/assemble.py" "$root" "$build/programs/docs" "$build/source"
/usr/bin/python3 -m sphinx -q -W --keep-going -b html -c "$root/docs/site" -d "$build/doctrees" "$build/source" "$build/html"
/usr/bin/python3 "$root/docs/site/formulas.py" "$build/html"
echo "docs: $build/html/index.html" >&2
