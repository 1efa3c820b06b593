#!/bin/sh
# Runs one module of tests of the Python package, or the lines of a Markdown file, with a Python that has what it needs.
#
# usage: run.sh FOLDER-OF-PACKAGE MODULE|FILE.md NEEDED...     FOLDER-OF-PACKAGE as for PYTHONPATH; NEEDED are modules
#
# The Python on PATH need not be Debian's, for which tests/setup.sh installs; the last that are tried are those that `sh
# tests/setup.sh torch` and `tinygrad` make.  CLMP_PYTHON names another.  Skipped where none has what is needed.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
export PYTHONPATH="$1" PYTHONDONTWRITEBYTECODE=1
module=$2
shift 2
case $module in
*.md) script=run_lines.py ;;
*) script=run.py ;;
esac
imports="import $(echo "$*" | tr ' ' ',')"
made=${CLMP_TORTURE_DIR-$(cd "$(dirname "$0")/../.." && pwd)/build-torture}
for python in ${CLMP_PYTHON-python3 /usr/bin/python3 "$made/torch/bin/python" "$made/tinygrad/bin/python"}; do
    if "$python" -c "$imports" >/dev/null 2>&1; then
        exec "$python" -W error::ResourceWarning "$(dirname "$0")/$script" "$module"
    fi
done
echo "no Python has $*: skipped"
exit 77
