# SPDX-License-Identifier: Apache-2.0
"""The shared libraries: OpenCL's loader, and libclmp itself.

Both are opened at the first use, not at import: an import works on every machine, and a process can fork until then.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import threading
from glob import glob
from typing import Any, Iterator

from libclmp._errors import Forked, NoDevice
from libclmp._header import PROTOTYPES, Metrics

_lock = threading.Lock()
_process: int | None = None  # that opened the libraries
_opencl: ctypes.CDLL | None = None
_clmp: ctypes.CDLL | None = None

HOW_TO_GET_OPENCL = (
    "on Debian and Ubuntu: apt install ocl-icd-libopencl1 pocl-opencl-icd (a device on every CPU; for a GPU its vendor's "
    "driver); anywhere: pip install 'libclmp[cpu]'"
)


def _loaded_loaders() -> Iterator[str]:
    """Of OpenCL, those that this process has loaded, for instance the one that PyOpenCL brings."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                found = re.search(r"(/.*/libOpenCL[^/]*\.so[^/]*)$", line.rstrip())
                if found:
                    yield found.group(1)
    except OSError:
        return


def _installed_loaders() -> Iterator[str]:
    """Of packages that are installed beside this one: PyOpenCL's and Intel's."""
    found = importlib.util.find_spec("pyopencl")
    for folder in (found.submodule_search_locations or []) if found else []:
        for place in (os.path.join(folder, ".libs"), os.path.join(os.path.dirname(folder), "pyopencl.libs")):
            yield from glob(os.path.join(place, "libOpenCL*.so*"))
    yield from glob(os.path.join(sys.prefix, "lib", "libOpenCL.so*"))


def _open_what_intel_needs() -> None:
    """Intel's loader needs libraries that lie beside it, and does not look there."""
    for name in ("libintlc.so.5", "libimf.so", "libirng.so", "libsvml.so"):  # each needs some before it
        try:
            ctypes.CDLL(os.path.join(sys.prefix, "lib", name))
        except OSError:
            continue  # the loader will say what it lacks


def intel_runtime() -> str | None:
    """Intel's OpenCL for CPUs, where pip has put it; its own .icd file names a place where it is not."""
    path = os.path.join(sys.prefix, "lib", "libintelocl.so")
    return path if os.path.exists(path) else None


def _start(opencl: ctypes.CDLL) -> None:
    """Lets the loader find its devices, among them Intel's runtime of this Python environment.

    The loader reads its environment just once, here; afterwards it is as it was.
    """
    count = ctypes.c_uint32()
    intel = intel_runtime()
    if intel is None or os.environ.get("OCL_ICD_VENDORS"):
        opencl.clGetPlatformIDs(0, None, ctypes.byref(count))
        return
    folder = tempfile.mkdtemp(prefix="libclmp-")
    try:
        for file in glob("/etc/OpenCL/vendors/*.icd"):
            shutil.copy(file, folder)
        with open(os.path.join(folder, "libclmp-intel.icd"), "w", encoding="utf-8") as icd:
            icd.write(intel + "\n")
        os.environ["OCL_ICD_VENDORS"] = folder
        opencl.clGetPlatformIDs(0, None, ctypes.byref(count))
    finally:
        os.environ.pop("OCL_ICD_VENDORS", None)
        shutil.rmtree(folder, ignore_errors=True)


def _open_loader() -> ctypes.CDLL:
    reasons = []
    for path in (*_loaded_loaders(), "libOpenCL.so.1", *_installed_loaders()):
        if intel_runtime() is not None and os.path.dirname(path) == os.path.join(sys.prefix, "lib"):
            _open_what_intel_needs()
        try:
            # Global, as in a program that is linked with it: libclmp takes OpenCL's functions from there.
            opencl = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            reasons.append(str(error))
            continue
        _start(opencl)
        return opencl
    raise NoDevice(f"there is no OpenCL loader ({'; '.join(dict.fromkeys(reasons))}); {HOW_TO_GET_OPENCL}", messages=tuple(reasons))


def _find_clmp() -> str:
    """The library: of $CLMP_LIBRARY, of this package, or the system's."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libclmp.so")
    named = os.environ.get("CLMP_LIBRARY")
    return named or (beside if os.path.exists(beside) else "libclmp.so.0")


def _open_clmp() -> ctypes.CDLL:
    path = _find_clmp()
    try:
        clmp = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"libclmp's shared library cannot be loaded: {error}") from None
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(clmp, name, None)
        if function is None:
            raise ImportError(f"{path} has no {name}: it is older than this package")
        function.restype, function.argtypes = result, arguments
    return clmp


def _check_process() -> None:
    global _process
    process = os.getpid()
    if _process is None:
        _process = process
    elif _process != process:
        raise Forked(
            "OpenCL was used before this process was forked, and does not survive that: let the parent process not use it "
            "first, or start processes by 'spawn' (multiprocessing.set_start_method, DataLoader(multiprocessing_context=))"
        )


def opencl() -> Any:
    """OpenCL's loader.

    Raises
    ------
    NoDevice
        There is none.
    Forked
        This process was forked from one that had opened it.
    """
    global _opencl
    _check_process()
    if _opencl is None:
        with _lock:
            if _opencl is None:
                _opencl = _open_loader()
    return _opencl


def clmp() -> Any:
    """The library, with prototypes; errors as `opencl`, and ImportError where it cannot be loaded."""
    global _clmp
    opencl()
    if _clmp is None:
        with _lock:
            if _clmp is None:
                _clmp = _open_clmp()
    return _clmp


def is_ours() -> bool:
    """Whether this process may still touch what was opened: it is no fork of the one that did."""
    return _process == os.getpid()


def init(function: str, kind: type[Any]) -> Any:
    """A struct that the library's init function has set to its defaults."""
    struct = kind()
    getattr(clmp(), function)(ctypes.byref(struct), ctypes.sizeof(struct))
    return struct


__all__ = ["HOW_TO_GET_OPENCL", "Metrics", "clmp", "init", "intel_runtime", "is_ours", "opencl"]
