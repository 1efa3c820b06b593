# SPDX-License-Identifier: Apache-2.0
"""Steps on memory of the host: devices that are open, plans that are kept, and how memory gets to a device and back.

On a CPU device the arrays themselves are the buffers (CL_MEM_USE_HOST_PTR), and nothing is copied; on other devices a
plan has buffers of its own.  A plan belongs to one call at a time: a call takes one that is idle, or makes one.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import weakref
from collections import OrderedDict
from ctypes import byref, c_size_t
from typing import Any, Callable, Hashable, NamedTuple, Sequence

from libclmp import _library, _opencl, _ranks
from libclmp._errors import Error, InvalidType, NoDevice
from libclmp._header import Buffer, Buffers, DeviceInfo, ResultRecord
from libclmp._plan import Context, Plan, check

KEPT_PLANS = 16  # of a device


class Memory(NamedTuple):
    """A place in the host's memory, by the name of its buffer in clmp_buffers."""

    name: str
    pointer: int
    size: int


class Slot:
    """A plan with what its steps need."""

    def __init__(self, context: Context, fields: dict[str, Any], results: bool) -> None:
        self.plan = Plan(context, **fields)
        self.context = context
        self.shared = context.is_cpu
        # A read onto the buffer's own memory makes it good there, as mapping does (clEnqueueReadBuffer).  In PoCL it moves
        # nothing and is one command for two; on Intel's runtime it takes longer than both.
        self.mapped = self.shared and "pocl" not in _opencl.device_text(context.device, _opencl.DEVICE_VERSION).lower()
        self.queue = _opencl.create_queue(context.cl, context.device)
        weakref.finalize(self, _opencl.release, "clReleaseCommandQueue", self.queue).atexit = False
        self.own: dict[str, tuple[int, int]] = {}  # buffers on the device, and their sizes
        self.buffers: Buffers = _library.init("clmp_buffers_init_sized", Buffers)
        self.places = {name: getattr(self.buffers, name) for name, kind in Buffers._fields_ if kind is Buffer}
        self.records = (ResultRecord * (self.plan.result_count if results else 0))()
        self.records_size = ctypes.sizeof(self.records)
        self.records_at = ctypes.addressof(self.records)
        self.result = 0
        if results:
            self.result = self.places["result"].mem = self._own_buffer("result", self.records_size)

    def _own_buffer(self, name: str, size: int) -> int:
        known = self.own.get(name)
        if known is not None and known[1] == size:
            return known[0]
        buffer = _opencl.create_buffer(self.context.cl, _opencl.READ_WRITE, size, None)
        weakref.finalize(self, _opencl.release, "clReleaseMemObject", buffer).atexit = False
        self.own[name] = buffer, size
        return buffer

    def run(
        self,
        function: Callable[..., int],
        inputs: Sequence[Memory],
        outputs: Sequence[Memory],
        step: int = 0,
        gradient_scale: float = 1.0,
    ) -> Any:
        """One step, from memory to memory; the records.  Outputs may also be what a step adds to."""
        buffers, queue, places = self.buffers, self.queue, self.places
        buffers.step, buffers.gradient_scale = step, gradient_scale
        passing: list[int] = []
        back = []
        entered = False
        try:
            for memory in inputs:
                places[memory.name].mem = self._bring(memory, _opencl.READ_ONLY, passing, True)
            for memory in outputs:
                adds = memory.name in ("label_counts", "confusion", "gradient_range")
                buffer = places[memory.name].mem = self._bring(memory, _opencl.READ_WRITE, passing, adds)
                back.append((buffer, memory))
            entered = True
            check(function(self.plan._handle, queue, byref(buffers), 0, None, None), self.plan.ranks)
            if self.records_size:
                _opencl.read(queue, self.result, self.records_size, self.records_at, False)
            for buffer, memory in back:
                if self.mapped:
                    _opencl.map_and_unmap(queue, buffer, memory.size)
                else:
                    _opencl.read(queue, buffer, memory.size, memory.pointer, False)
        finally:
            for memory in (*inputs, *outputs):
                places[memory.name].mem = None
            if not entered and self.plan.ranks is not None:  # refused for its buffers, which the other ranks are told
                with contextlib.suppress(Error):
                    check(function(self.plan._handle, queue, byref(buffers), 0, None, None), self.plan.ranks)
            try:  # whatever happened: nothing may run any more on memory of the caller's
                _opencl.finish(queue)
            finally:
                for buffer in passing:
                    _opencl.release("clReleaseMemObject", buffer)
        return self.records

    def _bring(self, memory: Memory, flags: int, passing: list[int], contents: bool) -> int:
        if self.shared:
            buffer = _opencl.create_buffer(
                self.context.cl, flags | _opencl.USE_HOST_PTR, memory.size, memory.pointer
            )
            passing.append(buffer)
            return buffer
        buffer = self._own_buffer(memory.name, memory.size)
        if contents:
            _opencl.write(self.queue, buffer, memory.size, memory.pointer)
        return buffer


class Engine:
    """A device, and the plans that are kept for it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._lock = threading.Lock()
        self._idle: OrderedDict[Hashable, list[Slot]] = OrderedDict()  # the least recently used first
        self._count = 0

    def take(self, key: Hashable, fields: Callable[[], dict[str, Any]], results: bool = True) -> Slot:
        """A plan for the problem `key`, made from `fields` where none is idle."""
        with self._lock:
            idle = self._idle.get(key)
            if idle:
                self._count -= 1
                slot = idle.pop()
                if not idle:
                    del self._idle[key]
                return slot
        return Slot(self.context, fields(), results)

    def give(self, key: Hashable, slot: Slot) -> None:
        """Keeps the plan for a later call."""
        dropped: list[Slot] = []  # destroyed without the lock
        with self._lock:
            self._idle.setdefault(key, []).append(slot)
            self._idle.move_to_end(key)
            self._count += 1
            while self._count > KEPT_PLANS:
                oldest = next(iter(self._idle))
                dropped.append(self._idle[oldest].pop(0))
                self._count -= 1
                if not self._idle[oldest]:
                    del self._idle[oldest]

    def clear(self) -> None:
        """Forgets all plans that are kept."""
        with self._lock:
            self._idle.clear()
            self._count = 0


_engines: dict[str | None, Engine] = {}
_engines_lock = threading.Lock()


def list_devices() -> list[DeviceInfo]:
    """What clmp_list_devices() says."""
    clmp, count = _library.clmp(), c_size_t()
    size = ctypes.sizeof(DeviceInfo)
    check(clmp.clmp_list_devices_sized(None, size, 0, byref(count)))
    infos = (DeviceInfo * count.value)()
    check(clmp.clmp_list_devices_sized(infos, size, len(infos), byref(count)))
    return list(infos[: count.value])


def open_handle(handle: int) -> Context:
    """A device, by its address, with an OpenCL context of its own."""
    cl = _opencl.create_context(handle)
    try:
        return Context.from_pyopencl(cl, handle)
    finally:
        _opencl.release("clReleaseContext", cl)


def _open(device: str | None) -> Context:
    if device != "auto":
        return Context.open(device)
    for info in list_devices():
        if info.supported and info.type & _opencl.TYPE_CPU:
            return open_handle(info.device or 0)
    return Context.open(None)


def engine(device: Any = None) -> Engine:
    """The engine of a device, opened at its first use.

    `device`: a Context, a name as for Context.open(), None for the first GPU, else the first device, or "auto" for a CPU
    device, whose memory is the host's, else as None.
    """
    _library.opencl()  # in a forked child: refuses
    if isinstance(device, Context):
        found: Engine | None = device.__dict__.get("_engine")
        if found is None:
            with _engines_lock:
                found = device.__dict__.setdefault("_engine", Engine(device))
        return found
    if device is not None and not isinstance(device, str):
        raise InvalidType(f"device is {device!r}, expected a name, a libclmp.Context, or None")
    known = _engines.get(device)
    if known is None:
        with _engines_lock:
            known = _engines.get(device)
            if known is None:
                known = _engines[device] = Engine(_open(device))
    return known


def clear() -> None:
    """Forgets all plans and groups of ranks that are kept; devices stay open."""
    _ranks.clear()
    for one in list(_engines.values()):
        one.clear()


__all__ = ["Engine", "Memory", "NoDevice", "Slot", "clear", "engine", "list_devices"]
