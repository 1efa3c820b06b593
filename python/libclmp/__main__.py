# SPDX-License-Identifier: Apache-2.0
"""``python -m libclmp``: lists the OpenCL devices, says whether they work, and how to install what is missing."""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import metadata

import numpy as np

from libclmp import _engine, _library, _plan
from libclmp._errors import Error
from libclmp._header import VERSION
from libclmp._numpy import devices, loss

# The README's problem, and the bits that every device gives for it.
LOGITS = np.array([[5, 4, 6, 5, 4, 5, 3, 1], [0, 0, 0, 0, 0, 0, 0, 2]], np.float32).reshape(1, 2, 1, 8)
LABELS = np.zeros((1, 1, 8), np.uint8)
LOSS = "0.385874"

NO_DEVICE = (
    "A device on every CPU: apt install pocl-opencl-icd, or pip install 'libclmp[cpu]'.  A GPU's comes with its vendor's "
    "driver: NVIDIA's has it; AMD: rocm-opencl-icd, or Mesa's mesa-opencl-icd with RUSTICL_ENABLE=radeonsi; Intel: "
    "intel-opencl-icd."
)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _try(context: _plan.Context) -> str:
    """Builds kernels and runs them: how long it took; raises where that fails."""
    begin = time.perf_counter()
    step = loss(LOGITS, LABELS, gradient=True, device=context)
    seconds = time.perf_counter() - begin
    found = f"{step.loss:.6f}"
    if found != LOSS:
        raise Error(f"L is {found}, expected {LOSS}: this device or its driver computes wrongly")
    return f"works ({seconds:.2f} s with building kernels)"


def main(arguments: list[str]) -> int:
    """Prints what there is; 0 where a device works, 1 where none does."""
    parser = argparse.ArgumentParser(prog="python -m libclmp", description=__doc__)
    parser.parse_args(arguments)
    print(f"libclmp {VERSION}, Python {sys.version.split()[0]}, NumPy {np.__version__}")
    for name in ("pyopencl", "torch"):
        print(f"  {name} {_version(name)}")
    try:
        listed = devices()
    except Error as error:
        print(f"OpenCL: {error}")
        return 1
    print(f"  OpenCL's loader: {_library.opencl()._name}")
    print(f"  library: {_library.clmp()._name}, {_library.clmp().clmp_version().decode()}")
    if os.environ.get("OCL_ICD_VENDORS"):
        print(f"  OCL_ICD_VENDORS is {os.environ['OCL_ICD_VENDORS']}: devices of other folders are not seen")
    works = 0
    for device, info in zip(listed, _engine.list_devices()):
        print(f"{device.name} ({device.type})\n  {device.platform}, {device.version}, driver {device.driver}")
        try:
            if not device.supported:
                raise Error("not supported: it lacks OpenCL 1.2, a compiler, or rounding to nearest")
            print("  " + _try(_engine.open_handle(info.device or 0)))
            works += 1
        except Error as error:
            print(f"  does not work: {error}")
    if not listed:
        print(f"There is no OpenCL device.  {NO_DEVICE}")
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
