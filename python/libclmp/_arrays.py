# SPDX-License-Identifier: Apache-2.0
"""Arrays as a plan takes them: types, shapes, and the strides that need no copy."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np

from libclmp._errors import InvalidArgument, InvalidType
from libclmp._header import FloatType, LabelType, Layout

Array = np.ndarray[Any, np.dtype[Any]]

FLOATS = {"float32": FloatType.FLOAT32, "float16": FloatType.FLOAT16, "bfloat16": FloatType.BFLOAT16}
LABELS = {
    "uint8": LabelType.UINT8,
    "uint16": LabelType.UINT16,
    "int32": LabelType.INT32,
    "int64": LabelType.INT64,
}
# By dtype, which is found faster than its name is made; of this machine's byte order.
_FLOATS = {np.dtype(name): kind for name, kind in FLOATS.items() if name != "bfloat16"}
_LABELS = {np.dtype(name): kind for name, kind in LABELS.items()}
# Of labels of other types, that which holds all of their values.
WIDER = {"bool": "uint8", "int8": "int32", "int16": "int32", "uint32": "int64"}


def strides_of_plan(shape: Sequence[int], strides: Sequence[int], element: int) -> tuple[Layout, int] | None:
    """The layout and the row pitch, in bytes, of an array (N, C, H, W); None where a plan cannot take it as it lies.

    `strides` and `element` are in bytes.  A pitch of 0 says that rows touch.
    """
    images, classes, height, width = shape

    def lies(size: int, stride: int, expected: int) -> bool:
        return size == 1 or stride == expected

    of_image, of_class, of_row, of_pixel = strides
    for layout, pixel in ((Layout.NCHW, element), (Layout.NHWC, classes * element)):
        row = width * pixel
        pitch = of_row if height > 1 else row
        if pitch < row or pitch % element != 0 or not lies(width, of_pixel, pixel):
            continue
        plane = height * pitch
        if layout == Layout.NCHW:
            good = lies(classes, of_class, plane) and lies(images, of_image, classes * plane)
        else:
            good = lies(classes, of_class, element) and lies(images, of_image, plane)
        if good:
            return layout, 0 if pitch == row else pitch
    return None


class Logits(NamedTuple):
    """Logits as a plan takes them."""

    array: Array  # (N, C, H, W), of whatever strides; keeps the memory alive
    kind: FloatType
    layout: Layout
    pitch: int  # bytes; 0: rows touch
    size: int  # bytes, from the first element to the last

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Of clmp_plan_params, those that say where a logit lies."""
        return ("logits_type", self.kind), ("logits_layout", self.layout), ("logits_row_pitch", self.pitch)

    def like(self) -> tuple[Array, Array]:
        """An empty array of the same shape and strides: as a whole, in memory, and as (N, C, H, W)."""
        if self.layout == Layout.NCHW and self.pitch == 0:
            dense = np.empty(self.array.shape, self.array.dtype)
            return dense, dense
        element = self.array.itemsize
        memory = np.empty(self.size // element, self.array.dtype)
        images, classes, height, width = self.array.shape
        pixel = classes if self.layout == Layout.NHWC else 1
        pitch = self.pitch // element or width * pixel
        plane = height * pitch
        steps = (plane, 1, pitch, pixel) if self.layout == Layout.NHWC else (classes * plane, plane, pitch, pixel)
        view = np.lib.stride_tricks.as_strided(memory, self.array.shape, [step * element for step in steps])
        return memory, view


def span(shape: Sequence[int], strides: Sequence[int], element: int) -> int:
    """Bytes from the first element to the last, of an array without negative strides."""
    return element + sum((size - 1) * stride for size, stride in zip(shape, strides))


def take_logits(logits: Any, layout: str) -> Logits:
    """Logits (N, C, H, W) or (C, H, W), or with the classes last; copied only where a plan cannot take their strides."""
    array = np.asarray(logits)
    kind = _FLOATS.get(array.dtype)
    if kind is not None and layout == "nchw" and array.ndim == 4 and array.size:
        flags = array.flags
        if flags.c_contiguous and flags.aligned:
            return Logits(array, kind, Layout.NCHW, 0, array.nbytes)
    if array.dtype.name not in FLOATS:
        raise InvalidType(f"logits has the dtype {array.dtype}, expected float32, float16 or bfloat16 (of ml_dtypes)")
    if layout not in ("nchw", "nhwc"):
        raise InvalidArgument(f"layout is {layout!r}, expected 'nchw' or 'nhwc'")
    if array.ndim not in (3, 4) or array.size == 0:
        shapes = "(N, C, H, W) or (C, H, W)" if layout == "nchw" else "(N, H, W, C) or (H, W, C)"
        raise InvalidArgument(f"logits has the shape {array.shape}, expected {shapes}, none of them 0")
    if array.ndim == 3:
        array = array[None]
    if layout == "nhwc":
        array = array.transpose(0, 3, 1, 2)
    found = strides_of_plan(array.shape, array.strides, array.itemsize)
    if found is None or not array.flags.aligned or not array.dtype.isnative:
        native = array.dtype.newbyteorder("=")
        if layout == "nhwc":
            array = np.ascontiguousarray(array.transpose(0, 2, 3, 1), native).transpose(0, 3, 1, 2)
        else:
            array = np.ascontiguousarray(array, native)
        found = strides_of_plan(array.shape, array.strides, array.itemsize)
        assert found is not None
    order, pitch = found
    element = array.itemsize
    pixel = element * (array.shape[1] if order == Layout.NHWC else 1)
    row = array.shape[3] * pixel
    rows = array.shape[0] * array.shape[2] * (1 if order == Layout.NHWC else array.shape[1])
    return Logits(array, FLOATS[array.dtype.name], order, pitch, (rows - 1) * (pitch or row) + row)


def take_labels(labels: Any, name: str = "labels") -> tuple[Array, LabelType]:
    """Labels of any integer type, contiguous; copied only where they are not, or of a type that the library has not."""
    array = np.asarray(labels)
    known = _LABELS.get(array.dtype)
    if known is not None and array.flags.c_contiguous and array.flags.aligned:
        return array, known
    kind = array.dtype.name
    if kind == "uint64":  # no class is that large: what is too large stays what is no class
        array = np.minimum(array, np.uint64(2**63 - 1)).astype(np.int64)
    elif kind in WIDER:
        array = array.astype(WIDER[kind])
    elif kind not in LABELS:
        raise InvalidType(f"{name} has the dtype {array.dtype}, expected an integer type")
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if not array.flags.aligned:
        array = array.copy()
    return array, LABELS[array.dtype.name]
