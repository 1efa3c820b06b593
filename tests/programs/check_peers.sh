#!/bin/sh
# bench/peers/peers.py runs, its binding of the header fits the library, and libclmp and the peer that computes in double agree
# with long double.
#
# SPDX-License-Identifier: Apache-2.0
#
# usage: check_peers.sh PEERS.PY FOLDER     of the package libclmp
#
# Skipped where no Python has torch and pyopencl: the one on PATH need not be Debian's.
set -eu
peers=$1
package=$2

python=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import numpy, pyopencl, torch' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo 'no Python has numpy, pyopencl and torch: skipped'; exit 77; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONDONTWRITEBYTECODE=1
# p 1.05: there float32's sums and its losses of confident pixels show, and what is right must not.
"$python" "$peers" --package "$package" --quick --repeat 1 --json "$folder/default.json"
"$python" "$peers" --package "$package" --quick --repeat 1 --p 1.05 --json "$folder/steep.json"
"$python" "$peers" --package "$package" --case upsample-small --repeat 1 --json "$folder/upsample.json"

"$python" - "$folder/default.json" "$folder/steep.json" "$folder/upsample.json" <<'PYTHON'
import json
import sys

failed = checks = 0
bounds = {  # of the loss, and of the gradient
    ("search", "step"): (2e-6, 4e-6),
    ("sort", "step"): (2e-6, 4e-6),
    ("none", "module"): (2e-6, 4e-6),
    ("none", "arrays"): (2e-6, 4e-6),
    ("none", "torch max-pooling, cumsum"): (2e-6, 4e-5),
    ("none", "torch cross-entropy"): (2e-6, 4e-6),
}
for path in sys.argv[1:]:
    found = {(r["solver"], r["stage"]): r for r in json.load(open(path, encoding="utf-8"))}
    for key, (loss, gradient) in bounds.items():
        checks += 1
        r = found.get(key)
        if r is None or not (r["loss_error"] <= loss and r["gradient_error"] <= gradient and r["ms"] > 0):
            failed += 1
            print(f"{path}: {key} is not within {loss}, {gradient}: {r}")
    checks += 1
    c, arrays = found.get(("none", "c"), {}), found.get(("none", "arrays"), {})
    if not c.get("ms", 0) > 0 or not isinstance(arrays.get("over_c_us"), float):
        failed += 1
        print(f"{path}: nothing is said of what a call costs beyond a step from C: {c}, {arrays}")
print(f"{100 * (checks - failed) // checks}%: Checks: {checks}, Failures: {failed}, Errors: 0")
sys.exit(failed != 0)
PYTHON
