# SPDX-License-Identifier: Apache-2.0
"""Exceptions: a status of the library, and what it said to its log."""

from __future__ import annotations

from libclmp._header import Status


class Error(Exception):
    """What every exception of this package is.

    Attributes
    ----------
    status : Status
        Why, as a number of the library's header.
    messages : tuple of str
        What the library said to its log: the argument and its value, an OpenCL error by name, a build log.
    """

    status: Status

    def __init__(self, message: str, status: Status | None = None, messages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status
        self.messages = messages or (message,)


class InvalidArgument(Error, ValueError):
    """An argument has a value that it must not have."""

    status = Status.INVALID_ARGUMENT


class InvalidType(InvalidArgument, TypeError):
    """An argument is of a type that it must not be of."""


class SizeOverflow(Error, ValueError):
    """A shape whose sizes overflow."""

    status = Status.SIZE_OVERFLOW


class BufferTooSmall(Error, ValueError):
    """A buffer does not hold what it must."""

    status = Status.BUFFER_TOO_SMALL


class BufferOverlap(Error, ValueError):
    """An output overlaps another buffer."""

    status = Status.BUFFER_OVERLAP


class NoDevice(Error, RuntimeError):
    """There is no OpenCL device, or nothing to find one with."""

    status = Status.NO_DEVICE


class DeviceNotFound(Error, LookupError):
    """There are devices, but none of that name."""

    status = Status.DEVICE_NOT_FOUND


class DeviceUnsupported(Error, RuntimeError):
    """The device lacks something that the kernels need."""

    status = Status.DEVICE_UNSUPPORTED


class OutOfMemory(Error, MemoryError):
    """Memory of the host, or of the device."""

    status = Status.OUT_OF_MEMORY


class BuildFailed(Error, RuntimeError):
    """The device's compiler refused a kernel; the messages have its words."""

    status = Status.BUILD_FAILED


class OpenCLError(Error, RuntimeError):
    """Any other error of OpenCL; the messages have its name."""

    status = Status.OPENCL_ERROR


class RanksFailed(Error, RuntimeError):
    """The ranks of a batch could not be summed over."""

    status = Status.RANKS_FAILED


class Forked(Error, RuntimeError):
    """This process was forked from one that had used OpenCL, which does not survive that."""

    status = Status.INVALID_ARGUMENT


_CLASSES: dict[int, type[Error]] = {
    kind.status: kind
    for kind in (
        InvalidArgument,
        SizeOverflow,
        BufferTooSmall,
        BufferOverlap,
        NoDevice,
        DeviceNotFound,
        DeviceUnsupported,
        OutOfMemory,
        BuildFailed,
        OpenCLError,
        RanksFailed,
    )
}


def error_of(status: int, text: str, messages: tuple[str, ...]) -> Error:
    """The exception of a status; `text` is what it says where the log said nothing."""
    try:
        known = Status(status)
    except ValueError:  # of a later library
        known = Status.OPENCL_ERROR
    return _CLASSES.get(known, Error)("; ".join(messages) or text, known, messages)
