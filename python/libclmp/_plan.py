# SPDX-License-Identifier: Apache-2.0
"""Contexts and plans: the library's own objects, on OpenCL objects of PyOpenCL or of anybody else."""

from __future__ import annotations

import ctypes
import operator
import os
import threading
import weakref
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Any, Iterable, Sequence, Union

import numpy as np

from libclmp import _library, _opencl
from libclmp._errors import InvalidArgument, InvalidType, error_of
from libclmp._fields import integer, plan_params, real
from libclmp._header import Buffers, ContextParams, FloatType, Input, LabelType, LogFn, Result, ResultRecord, Status, Tuning
from libclmp._ranks import Ranks, ranks_of

if TYPE_CHECKING:
    import pyopencl

    Place = Union[pyopencl.MemoryObject, "pyopencl.array.Array", tuple[pyopencl.MemoryObject, int], int]

_said = threading.local()


def _hear(_: int | None, message: bytes | None) -> None:
    """The library's log.  It speaks in the thread that called it."""
    _said.__dict__.setdefault("messages", []).append((message or b"").decode(errors="replace"))


_LOG = LogFn(_hear)  # never freed: a context may outlive everything here


def check(status: int, ranks: Ranks | None = None) -> None:
    """Raises the exception of a status, with what the library said to its log, unless it is OK.

    `ranks`: those of an entry's plan, which may have failed in a call of theirs.
    """
    if status == Status.OK:
        return
    messages = tuple(_said.__dict__.pop("messages", ()))
    error = error_of(status, _library.clmp().clmp_status_text(status).decode(), messages)
    raise error if ranks is None else ranks.raised(error)


def _destroy(function: str, handle: int) -> None:
    """Of a context or a plan: the library knows whether its OpenCL objects are those of this process."""
    clmp = _library._clmp
    if clmp is not None:
        getattr(clmp, function)(handle)


def _finalize(owner: object, function: str, handle: int) -> None:
    weakref.finalize(owner, _destroy, function, handle).atexit = False  # a process may end with everything open


class Context:
    """A device, ready for plans.

    Made by `open` or `from_pyopencl`.  May be used by any number of threads at once.

    Attributes
    ----------
    cl, device : int
        The OpenCL context and device, as addresses.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        _finalize(self, "clmp_context_destroy", handle)
        clmp = _library.clmp()
        self.cl: int = clmp.clmp_context_cl(handle)
        self.device: int = clmp.clmp_context_device(handle)

    @staticmethod
    def _params(cache_dir: str | os.PathLike[str] | None) -> ContextParams:
        params: ContextParams = _library.init("clmp_context_params_init_sized", ContextParams)
        params.log = _LOG
        params.cache_dir = None if cache_dir is None else os.fsencode(cache_dir)
        return params

    @classmethod
    def open(cls, device: str | None = None, *, cache_dir: str | os.PathLike[str] | None = None) -> Context:
        """Opens a device by name, with an OpenCL context of its own.

        Parameters
        ----------
        device : str, optional
            The first supported device whose name or platform has this in it, upper and lower case alike.  None: the
            first GPU, else the first device.
        cache_dir : path, optional
            Folder for compiled programs; None: ``$CLMP_CACHE_DIR``, else ``~/.cache/libclmp`` (not for PoCL, which keeps
            its own); "": none.

        Raises
        ------
        NoDevice, DeviceNotFound, DeviceUnsupported, OutOfMemory, OpenCLError, Forked
        """
        if device is not None and not isinstance(device, str):
            raise InvalidType(f"device is {device!r}, expected a name or None")
        handle = c_void_p()
        clmp = _library.clmp()
        params = cls._params(cache_dir)
        check(clmp.clmp_context_open(None if device is None else device.encode(), byref(params), byref(handle)))
        return cls(handle.value or 0)

    @classmethod
    def from_pyopencl(
        cls,
        context: pyopencl.Context | int,
        device: pyopencl.Device | int | None = None,
        *,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> Context:
        """Wraps an OpenCL context of PyOpenCL and one of its devices; retains both.

        Parameters
        ----------
        context : pyopencl.Context or int
            The context, or the address of a ``cl_context`` of any other binding.
        device : pyopencl.Device or int, optional
            One of its devices; may be left out where it has just one.
        cache_dir : path, optional
            As for `open`.

        Raises
        ------
        InvalidArgument, DeviceUnsupported, OutOfMemory, OpenCLError, Forked
        """
        if device is None:
            devices: Sequence[Any] = getattr(context, "devices", [])
            if len(devices) != 1:
                raise InvalidArgument(f"device is None, but the context has {len(devices)} devices: name one of them")
            device = devices[0]
        handle = c_void_p()
        clmp = _library.clmp()
        params = cls._params(cache_dir)
        check(
            clmp.clmp_context_create(
                address("context", context), address("device", device), byref(params), byref(handle)
            )
        )
        return cls(handle.value or 0)

    @property
    def name(self) -> str:
        """The device's name."""
        return _opencl.device_text(self.device, _opencl.DEVICE_NAME)

    @property
    def is_cpu(self) -> bool:
        """Whether the device is a CPU, which shares the memory of the host."""
        return bool(_opencl.device_type(self.device) & _opencl.TYPE_CPU)


def address(name: str, value: Any) -> int:
    """The handle of an OpenCL object of PyOpenCL, or of one that is given by its address."""
    number = getattr(value, "int_ptr", value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidType(f"{name} is {value!r}, expected an object of PyOpenCL, or an address")
    return number


class Plan:
    """One problem, its kernels built for a device.  Used by one thread at a time.

    Parameters
    ----------
    context : Context
        The device.
    **fields
        Fields of ``clmp_plan_params``; enumerators by name (``weighting="ohem"``, ``label_type="int64"``).  ``classes``,
        ``height`` and ``width`` have no default; ``images`` is 1, labels are uint8, logits float32 and NCHW.  ``ranks``
        is a group as `loss` takes it: the batch is that of all its ranks, and ``enqueue_...`` waits for them.

    Raises
    ------
    InvalidArgument, SizeOverflow, OutOfMemory, BuildFailed, DeviceUnsupported, OpenCLError

    Notes
    -----
    The ``enqueue_...`` methods return at once, with an event of their last command; nothing is copied, nothing waits.
    A buffer is a ``pyopencl.Buffer``, a pair of one and an offset in bytes, a ``pyopencl.array.Array`` (whose type,
    shape and strides are checked), or the address of a ``cl_mem``.
    """

    def __init__(self, context: Context, **fields: Any) -> None:
        self.context = context
        if fields.get("ranks") is not None:
            fields["ranks"] = ranks_of(fields["ranks"])
        self.ranks: Ranks | None = fields.get("ranks")
        self._params, kept = plan_params(fields)
        handle = c_void_p()
        clmp = _library.clmp()
        check(clmp.clmp_plan_create(context._handle, byref(self._params), byref(handle)))
        self._handle = handle.value or 0
        del kept  # what was copied
        self._params.class_weights = self._params.ranks = None
        _finalize(self, "clmp_plan_destroy", self._handle)

    @property
    def workspace_size(self) -> int:
        """Bytes of workspace that every enqueue needs."""
        return int(_library.clmp().clmp_plan_workspace_size(self._handle))

    @property
    def result_count(self) -> int:
        """Records that every enqueue writes: 1, with scope image 1 + N."""
        return int(_library.clmp().clmp_plan_result_count(self._handle))

    @property
    def result_size(self) -> int:
        """Bytes of a result buffer."""
        return self.result_count * ctypes.sizeof(ResultRecord)

    @property
    def tuning(self) -> Tuning:
        """The tuning in force."""
        tuning: Tuning = _library.clmp().clmp_plan_tuning(self._handle)
        return tuning

    def enqueue_weights(
        self,
        queue: pyopencl.CommandQueue | int,
        *,
        losses: Place,
        result: Place,
        weights: Place | None = None,
        workspace: Place | None = None,
        wait_for: Sequence[pyopencl.Event | int] | None = None,
    ) -> Any:
        """Losses to weights; for plans with ``input="losses"``.

        Parameters
        ----------
        queue : pyopencl.CommandQueue
            Of the plan's context and device.
        losses : buffer
            float32 (N, H, W).  NaN, infinite or negative: nonfinite, and weight 0.
        result : buffer
            `result_size` bytes, for `read_results`.
        weights : buffer, optional
            Receives the weights, float32 (N, H, W).
        workspace : buffer, optional
            `workspace_size` bytes; None: the plan's own.
        wait_for : sequence of pyopencl.Event, optional
            Events to wait for first.

        Returns
        -------
        pyopencl.Event
            Of the last command; where PyOpenCL is not installed the address of a ``cl_event``, which lives as long as
            this number.

        Raises
        ------
        InvalidArgument, BufferTooSmall, BufferOverlap
            Before anything is enqueued.
        OutOfMemory, OpenCLError
        """
        return self._enqueue(
            "clmp_enqueue_weights", queue, wait_for, losses=losses, result=result, weights=weights, workspace=workspace
        )

    def enqueue_loss(
        self,
        queue: pyopencl.CommandQueue | int,
        *,
        logits: Place,
        labels: Place,
        result: Place,
        losses: Place | None = None,
        weights: Place | None = None,
        workspace: Place | None = None,
        step: int = 0,
        wait_for: Sequence[pyopencl.Event | int] | None = None,
    ) -> Any:
        """Logits and labels to losses, weights and their sum.

        Parameters
        ----------
        queue : pyopencl.CommandQueue
            Of the plan's context and device.
        logits, labels : buffer
            In the plan's shapes and types.
        result : buffer
            `result_size` bytes, for `read_results`.
        losses, weights : buffer, optional
            Receive what a pixel's loss and weight are, float32 of the labels' shape.
        workspace : buffer, optional
            `workspace_size` bytes; None: the plan's own.
        step : int
            Number of the training step, for ``weighting="balanced"``.
        wait_for : sequence of pyopencl.Event, optional
            Events to wait for first.

        Returns
        -------
        pyopencl.Event
            As for `enqueue_weights`, and so are errors.
        """
        return self._enqueue(
            "clmp_enqueue_loss",
            queue,
            wait_for,
            step=step,
            logits=logits,
            labels=labels,
            result=result,
            losses=losses,
            weights=weights,
            workspace=workspace,
        )

    def enqueue_gradient(
        self,
        queue: pyopencl.CommandQueue | int,
        *,
        logits: Place,
        labels: Place,
        gradient: Place,
        result: Place,
        losses: Place | None = None,
        weights: Place | None = None,
        workspace: Place | None = None,
        gradient_range: Place | None = None,
        step: int = 0,
        gradient_scale: float = 1.0,
        in_place: bool = False,
        wait_for: Sequence[pyopencl.Event | int] | None = None,
    ) -> Any:
        """Logits and labels to losses, weights, their sum L, and the gradient of L with respect to the logits.

        Parameters
        ----------
        queue, logits, labels, result, losses, weights, workspace, step, wait_for
            As for `enqueue_loss`.
        gradient : buffer
            Receives the gradient, of the logits' shape, type and layout.
        gradient_scale : float
            Multiplies the gradient.
        in_place : bool
            The gradient is the same place as the logits, and overwrites them.
        gradient_range : buffer
            uint64 (2), to which is added how many elements of the gradient are stored as an infinity (of float32, as
            the largest float), and how many as 0 that were not 0 in float32.  May be absent.

        Returns
        -------
        pyopencl.Event
            As for `enqueue_weights`, and so are errors.
        """
        return self._enqueue(
            "clmp_enqueue_gradient",
            queue,
            wait_for,
            step=step,
            gradient_scale=gradient_scale,
            in_place=in_place,
            logits=logits,
            labels=labels,
            gradient=gradient,
            result=result,
            losses=losses,
            weights=weights,
            workspace=workspace,
            gradient_range=gradient_range,
        )

    def enqueue_label_counts(
        self,
        queue: pyopencl.CommandQueue | int,
        *,
        labels: Place,
        label_counts: Place,
        wait_for: Sequence[pyopencl.Event | int] | None = None,
    ) -> Any:
        """Adds label maps to counts of labels, uint64 (2 C + 3); for plans with ``input="labels"``.

        Returns
        -------
        pyopencl.Event
            As for `enqueue_weights`, and so are errors.
        """
        return self._enqueue("clmp_enqueue_label_counts", queue, wait_for, labels=labels, label_counts=label_counts)

    def enqueue_confusion(
        self,
        queue: pyopencl.CommandQueue | int,
        *,
        logits: Place,
        labels: Place,
        confusion: Place,
        wait_for: Sequence[pyopencl.Event | int] | None = None,
    ) -> Any:
        """Adds predictions to a confusion matrix, uint64 (C C + 3).

        Returns
        -------
        pyopencl.Event
            As for `enqueue_weights`, and so are errors.
        """
        return self._enqueue(
            "clmp_enqueue_confusion", queue, wait_for, logits=logits, labels=labels, confusion=confusion
        )

    def _enqueue(
        self,
        function: str,
        queue: Any,
        wait_for: Iterable[Any] | None,
        step: int = 0,
        gradient_scale: float = 1.0,
        in_place: bool = False,
        **places: Any,
    ) -> Any:
        buffers: Buffers = _library.init("clmp_buffers_init_sized", Buffers)
        buffers.step = integer("step", step)
        buffers.gradient_scale = real("gradient_scale", gradient_scale)
        buffers.in_place = bool(in_place)
        for name, value in places.items():
            if value is not None:
                place = getattr(buffers, name)
                place.mem, place.offset = self._place(name, value)
        events = [address("wait_for", event) for event in wait_for or ()]
        wait = (c_void_p * len(events))(*events) if events else None
        event = c_void_p()
        check(
            getattr(_library.clmp(), function)(
                self._handle, address("queue", queue), byref(buffers), len(events), wait, byref(event)
            ),
            self.ranks,
        )
        return _event(event.value or 0)

    def _place(self, name: str, value: Any) -> tuple[int, int]:
        """The cl_mem and the offset of a buffer."""
        if isinstance(value, tuple):
            memory, offset = value
            return address(name, memory), integer(f"{name}'s offset", offset, ctypes.c_size_t)
        if hasattr(value, "base_data"):
            self._check_array(name, value)
            return address(name, value.base_data), int(value.offset)
        return address(name, value), 0

    def _check_array(self, name: str, array: Any) -> None:
        """Whether a pyopencl.array.Array has the plan's type and shape, densely."""
        params = self._params
        nhwc = params.logits_layout != 0
        height, width = params.height, params.width
        if name in ("logits", "gradient"):
            height, width = params.logits_height or height, params.logits_width or width
            kind = {FloatType.FLOAT32: "float32", FloatType.FLOAT16: "float16"}.get(FloatType(params.logits_type), "bfloat16")
            shape: tuple[int, ...] = (height, width, params.classes) if nhwc else (params.classes, height, width)
        elif name == "labels":
            kind, shape = LabelType(params.label_type).name.lower(), (height, width)
        elif name in ("losses", "weights"):
            kind, shape = "float32", (height, width)
        else:
            return  # results and counts: whatever is large enough, which the library sees to
        if params.loss >= 2 and params.input == Input.LOGITS and name in ("labels", "losses", "weights"):
            shape = (params.classes, height, width)  # of binary losses each channel has its own
        shape = (params.images, *shape)
        expected = " or ".join(str(one) for one in ((shape, shape[1:]) if params.images == 1 else (shape,)))
        given = tuple(array.shape)
        same_bits = kind == "bfloat16" and array.dtype == np.uint16  # which PyOpenCL has no name for
        if array.dtype.name != kind and not same_bits:
            raise InvalidType(f"{name} has the dtype {array.dtype}, expected {kind}")
        if given != shape and not (params.images == 1 and given == shape[1:]):
            raise InvalidArgument(f"{name} has the shape {given}, expected {expected}")
        if not array.flags.c_contiguous and not (params.logits_row_pitch and name in ("logits", "gradient")):
            raise InvalidArgument(f"{name} has the strides {tuple(array.strides)}, expected a contiguous array")


class OwnEvent(int):
    """A cl_event, by its address; released with it."""

    def __del__(self) -> None:
        _opencl.release("clReleaseEvent", self)


def _event(handle: int) -> Any:
    try:
        import pyopencl
    except ImportError:
        _opencl.api()  # which release() wants
        return OwnEvent(handle)
    return pyopencl.Event.from_int_ptr(handle, retain=False)


def read_results(
    queue: pyopencl.CommandQueue, result: pyopencl.Buffer, count: int = 1, wait_for: Sequence[pyopencl.Event] | None = None
) -> list[Result]:
    """Waits for a result buffer, and reads it.

    Parameters
    ----------
    queue : pyopencl.CommandQueue
        Where the step was enqueued, or another one with `wait_for`.
    result : pyopencl.Buffer
        The result buffer.
    count : int
        How many records: `Plan.result_count`.
    wait_for : sequence of pyopencl.Event, optional
        Events to wait for first.

    Returns
    -------
    list of Result
        With scope image the total first, then each image.
    """
    import pyopencl

    records = (ResultRecord * count)()
    pyopencl.enqueue_copy(queue, records, result, wait_for=wait_for, is_blocking=True)
    return [result_of(record) for record in records]


_NAMES = tuple(Result.__dataclass_fields__)
_numbers = operator.attrgetter(*_NAMES)


def fields_of(record: ResultRecord) -> dict[str, Any]:
    """Of a record, what a Result is made of."""
    return dict(zip(_NAMES, _numbers(record)))


def result_of(record: ResultRecord) -> Result:
    """The frozen copy of a record."""
    return Result(*_numbers(record))
