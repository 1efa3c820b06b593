# SPDX-License-Identifier: Apache-2.0
"""As much of OpenCL as arrays of the host need: a queue, buffers, and moving what is in them."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from libclmp import _library
from libclmp._errors import OpenCLError, OutOfMemory

READ_WRITE, READ_ONLY, USE_HOST_PTR = 1, 4, 8
MAP_READ = 1
DEVICE_TYPE, DEVICE_NAME, DEVICE_VERSION = 0x1000, 0x102B, 0x102F
TYPE_CPU, TYPE_GPU = 2, 4
_MEMORY = {-4: "CL_MEM_OBJECT_ALLOCATION_FAILURE", -5: "CL_OUT_OF_RESOURCES", -6: "CL_OUT_OF_HOST_MEMORY", -61: "CL_INVALID_BUFFER_SIZE"}

_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "clCreateBuffer": (c_void_p, [c_void_p, c_uint64, c_size_t, c_void_p, c_void_p]),
    "clCreateCommandQueue": (c_void_p, [c_void_p, c_void_p, c_uint64, c_void_p]),
    "clCreateContext": (c_void_p, [c_void_p, c_uint32, c_void_p, c_void_p, c_void_p, c_void_p]),
    "clEnqueueMapBuffer": (
        c_void_p,
        [c_void_p, c_void_p, c_uint32, c_uint64, c_size_t, c_size_t, c_uint32, c_void_p, c_void_p, c_void_p],
    ),
    "clEnqueueReadBuffer": (
        c_int32,
        [c_void_p, c_void_p, c_uint32, c_size_t, c_size_t, c_void_p, c_uint32, c_void_p, c_void_p],
    ),
    "clEnqueueUnmapMemObject": (c_int32, [c_void_p, c_void_p, c_void_p, c_uint32, c_void_p, c_void_p]),
    "clEnqueueWriteBuffer": (
        c_int32,
        [c_void_p, c_void_p, c_uint32, c_size_t, c_size_t, c_void_p, c_uint32, c_void_p, c_void_p],
    ),
    "clFinish": (c_int32, [c_void_p]),
    "clGetDeviceInfo": (c_int32, [c_void_p, c_uint32, c_size_t, c_void_p, c_void_p]),
    "clReleaseCommandQueue": (c_int32, [c_void_p]),
    "clReleaseContext": (c_int32, [c_void_p]),
    "clReleaseEvent": (c_int32, [c_void_p]),
    "clReleaseMemObject": (c_int32, [c_void_p]),
}
_ready: Any = None


def api() -> Any:
    """OpenCL's loader, with prototypes of its own: nobody else's calls through it are changed."""
    global _ready
    if _ready is None:
        loader = _library.opencl()
        functions = type("OpenCL", (), {})()
        for name, (result, arguments) in _PROTOTYPES.items():
            function = loader[name]  # by index: an object that nobody else has
            function.restype, function.argtypes = result, arguments
            setattr(functions, name, function)
        _ready = functions
    return _ready


def check(error: int, function: str) -> None:
    """Raises unless `error` is CL_SUCCESS."""
    if error in _MEMORY:
        raise OutOfMemory(f"{function} failed: {_MEMORY[error]} ({error})")
    if error != 0:
        raise OpenCLError(f"{function} failed: OpenCL error {error}")


def create_buffer(context: int, flags: int, size: int, pointer: int | None) -> int:
    error = c_int32()
    buffer: int | None = api().clCreateBuffer(context, flags, size, pointer, byref(error))
    check(error.value, "clCreateBuffer")
    assert buffer is not None
    return buffer


def create_queue(context: int, device: int) -> int:
    error = c_int32()
    queue: int | None = api().clCreateCommandQueue(context, device, 0, byref(error))
    check(error.value, "clCreateCommandQueue")
    assert queue is not None
    return queue


def create_context(device: int) -> int:
    error = c_int32()
    context: int | None = api().clCreateContext(None, 1, byref(c_void_p(device)), None, None, byref(error))
    check(error.value, "clCreateContext")
    assert context is not None
    return context


def device_type(device: int) -> int:
    value = c_uint64()
    check(api().clGetDeviceInfo(device, DEVICE_TYPE, ctypes.sizeof(value), byref(value), None), "clGetDeviceInfo")
    return value.value


def device_text(device: int, what: int) -> str:
    text = ctypes.create_string_buffer(1024)
    check(api().clGetDeviceInfo(device, what, len(text), text, None), "clGetDeviceInfo")
    return text.value.decode(errors="replace").strip()


def map_and_unmap(queue: int, buffer: int, size: int) -> None:
    """What a buffer with memory of the host holds is there, once the queue has come so far; returns at once."""
    error = c_int32()
    pointer: int | None = api().clEnqueueMapBuffer(queue, buffer, 0, MAP_READ, 0, size, 0, None, None, byref(error))
    check(error.value, "clEnqueueMapBuffer")
    check(api().clEnqueueUnmapMemObject(queue, buffer, pointer, 0, None, None), "clEnqueueUnmapMemObject")


def read(queue: int, buffer: int, size: int, pointer: int, wait: bool) -> None:
    check(api().clEnqueueReadBuffer(queue, buffer, wait, 0, size, pointer, 0, None, None), "clEnqueueReadBuffer")


def write(queue: int, buffer: int, size: int, pointer: int) -> None:
    """Returns at once: the memory must stay as it is until the queue is finished."""
    check(api().clEnqueueWriteBuffer(queue, buffer, False, 0, size, pointer, 0, None, None), "clEnqueueWriteBuffer")


def finish(queue: int) -> None:
    check(api().clFinish(queue), "clFinish")


def release(function: str, handle: int) -> None:
    """Releases an object; in a forked child, where it is not there any more, does nothing."""
    if _ready is not None and _library.is_ours():
        getattr(_ready, function)(handle)
