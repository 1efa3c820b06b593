# SPDX-License-Identifier: Apache-2.0
"""Arrays in, arrays out."""

from __future__ import annotations

import ctypes
import dataclasses
from ctypes import byref
from typing import TYPE_CHECKING, Any, Callable, Hashable, Iterable

import numpy as np

from libclmp import _header, _library, _opencl
from libclmp._arrays import Array, Logits, take_labels, take_logits
from libclmp._engine import Memory, engine, list_devices
from libclmp._errors import InvalidArgument, InvalidType
from libclmp._fields import BINARY, SCHEMES, class_weights_array, enum_value, flag, integer, real, set_field, unknown
from libclmp._header import ClassWeightsParams, FloatType, Loss, Metrics, PlanFields, Result, Scope, Status
from libclmp._plan import Context, check, fields_of
from libclmp._ranks import Ranks, ranks_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Unpack

_TYPES = {_opencl.TYPE_CPU: "CPU", _opencl.TYPE_GPU: "GPU", 8: "accelerator"}


# ------------------------------------------------------------------------------------------------------------- devices


@dataclasses.dataclass(frozen=True)
class Device:
    """An OpenCL device.  What is not known is 0 or empty.

    Attributes
    ----------
    name, platform, version, driver : str
        As OpenCL reports them.
    type : str
        "CPU", "GPU", "accelerator" or "other".
    compute_units : int
        How many.
    global_memory, max_alloc : int
        Bytes of all of its memory, and of the largest buffer.
    supported : bool
        Whether the library runs on it.
    """

    name: str
    platform: str
    version: str
    driver: str
    type: str
    compute_units: int
    global_memory: int
    max_alloc: int
    supported: bool


def devices() -> list[Device]:
    """Lists the OpenCL devices of all platforms.

    Returns
    -------
    list of Device
        Empty where there is none.

    Raises
    ------
    NoDevice
        There is no OpenCL loader to ask; the message has the command that brings one.
    Forked
        This process was forked from one that had used OpenCL.
    """

    def text(value: bytes) -> str:
        return value.decode(errors="replace").strip()

    return [
        Device(
            name=text(info.name),
            platform=text(info.platform_name),
            version=text(info.version),
            driver=text(info.driver),
            type=next((word for bit, word in _TYPES.items() if info.type & bit), "other"),
            compute_units=info.compute_units,
            global_memory=info.global_memory,
            max_alloc=info.max_alloc,
            supported=bool(info.supported),
        )
        for info in list_devices()
    ]


# ------------------------------------------------------------------------------------------------------- loss, weights


@dataclasses.dataclass(frozen=True, eq=False)
class LossResult(Result):
    """What `loss` found: the fields of `Result`, and the arrays that were asked for.

    Attributes
    ----------
    gradient : ndarray or None
        Of gradient_scale L with respect to the logits, in their shape and type.
    gradient_overflowed, gradient_underflowed : int or None
        Of a gradient in float16 or bfloat16: how many elements are infinite, and how many are 0 that were not 0 in
        float32.  For a loss scaler: lower gradient_scale where any overflowed.
    losses, weights : ndarray or None
        What each pixel's loss and weight are, float32 of the labels' shape; 0 where a pixel is not valid.
    images : tuple of Result
        With ``scope="image"``, what was found in each image; else empty.
    """

    gradient: Array | None = dataclasses.field(default=None, repr=False)
    gradient_overflowed: int | None = None
    gradient_underflowed: int | None = None
    losses: Array | None = dataclasses.field(default=None, repr=False)
    weights: Array | None = dataclasses.field(default=None, repr=False)
    images: tuple[Result, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class WeightsResult(Result):
    """What `weights` found: the fields of `Result`, and the weights.

    Attributes
    ----------
    weights : ndarray
        float32, of the losses' shape; 0 where a pixel is not valid.
    images : tuple of Result
        With ``scope="image"``, what was found in each image; else empty.
    """

    weights: Array = dataclasses.field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    images: tuple[Result, ...] = ()


def _is_binary(loss: Any) -> bool:
    return loss is not None and enum_value("loss", Loss, loss) in BINARY


def _options(fields: dict[str, Any], what: str) -> tuple[tuple[str, Any], ...]:
    """Keywords that are fields of clmp_plan_params, as what a plan is found by again."""
    for name in fields:
        if name not in _header.PlanFields.__annotations__:
            raise unknown(name, list(_header.PlanFields.__annotations__), what)
    given = fields.get("class_weights")
    if given is not None:
        fields["class_weights"] = tuple(class_weights_array(given).tolist())
    return tuple(sorted(fields.items()))


def _run(
    device: Any,
    key: Hashable,
    fields: tuple[tuple[str, Any], ...],
    function: str,
    inputs: list[Memory],
    outputs: list[Memory],
    results: bool = True,
    **scalars: Any,
) -> list[dict[str, Any]]:
    """One step; the fields of its records, those of images behind their total."""
    place = engine(device)
    try:
        slot = place.take(key, lambda: dict(fields), results)
    except TypeError as error:
        if isinstance(error, InvalidType) or "unhashable" not in str(error):
            raise
        raise InvalidType(f"an option is of a type that it cannot be of: {dict(fields)}") from None
    try:
        records = slot.run(getattr(_library.clmp(), function), inputs, outputs, **scalars)
        return list(map(fields_of, records))
    finally:
        place.give(key, slot)


def _images(found: list[dict[str, Any]]) -> tuple[Result, ...]:
    return tuple(Result(**fields) for fields in found[1:])


def _ranks(group: Any) -> tuple[tuple[str, Ranks], ...]:
    return () if group is None else (("ranks", ranks_of(group)),)


def _memory(name: str, array: Array) -> Memory:
    return Memory(name, array.ctypes.data, array.nbytes)


def _labels_like(labels: Any, shape: tuple[int, ...], binary: bool) -> tuple[Array, _header.LabelType, tuple[int, ...]]:
    """Labels for logits of the shape (N, C, H, W), with the height and width that they have."""
    array, kind = take_labels(labels)
    given = array.shape
    images, classes = shape[0], shape[1]
    if images == 1 and array.ndim == (3 if binary else 2):
        array = array[None]
    if not binary and array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    lead = (images, classes) if binary else (images,)
    if array.ndim != len(lead) + 2 or array.shape[:-2] != lead or array.size == 0:
        expected = ", ".join(map(str, lead))
        raise InvalidArgument(f"labels has the shape {given}, expected ({expected}, H, W) for logits of the shape {shape}")
    return array, kind, given


def _shape_fields(x: Logits, y: Array, label_type: _header.LabelType) -> tuple[tuple[str, Any], ...]:
    """Of clmp_plan_params, those that say how logits and labels lie."""
    images, classes, height, width = x.array.shape
    return (
        ("images", images),
        ("classes", classes),
        ("height", y.shape[-2]),
        ("width", y.shape[-1]),
        ("logits_height", height),
        ("logits_width", width),
        ("label_type", label_type),
        *x.fields,
    )


def loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    gradient: bool = False,
    losses: bool = False,
    weights: bool = False,
    gradient_scale: float = 1.0,
    step: int = 0,
    layout: str = "nchw",
    device: str | Context | None = None,
    group: Any = None,
    **fields: Unpack[PlanFields],
) -> LossResult:
    """The pooled loss of a batch, and its gradient.

    Parameters
    ----------
    logits : array_like
        (N, C, H, W) or (C, H, W), float32, float16, or bfloat16 of ml_dtypes; with ``layout="nhwc"`` the classes last.
        If smaller than the labels, interpolated bilinearly to their size, as by PyTorch's ``interpolate``.
    labels : array_like
        (N, H, W), (N, 1, H, W) or (H, W), of any integer type; of binary losses (N, C, H, W), 0 or 1.
    gradient, losses, weights : bool
        Which arrays are wanted.
    gradient_scale : float
        Multiplies the gradient (a loss scale).  Whether a gradient in 16 bits has room for it, the result says.
    step : int
        Number of the training step, for ``weighting="balanced"``.
    layout : {"nchw", "nhwc"}
        Where the classes are.  Strides are the array's own: padded rows, and either layout seen as the other, are not
        copied, whatever else is.
    device : str or Context, optional
        Part of the name of a device or its platform, or an open device.  None: the first GPU, else the first device.
    group : optional
        The batch is that of all ranks of a group, in their order, and this call has one rank's images, which may be
        another number on each: a communicator of mpi4py, a process group of torch.distributed, "world" for its default
        one, or `Ranks`.  All ranks call with the same options.  L, the threshold and the counts are those of the whole
        batch, gradient, losses, weights and ``images`` of what is given here.

    Other Parameters
    ----------------
    loss : {"cross-entropy", "focal", "bce", "binary-focal"}
        The loss of a pixel.
    weighting : {"lmp", "uniform", "topk", "ohem", "balanced"}
        How losses become one number: loss max-pooling, the mean, the hardest pixels, hard example mining, or pixels
        drawn so that classes come equally often.
    p : float
        Of loss max-pooling, in [1, inf], 1.7: at 1 the hardest pixels have all weight, at inf all pixels the same.
    support : float
        In (0, 1], 0.25: the least share of the pixels that carry the weight.
    ignore_index : int
        255: a pixel with this label is left out.
    class_weights : array_like
        C numbers >= 0: multiply a pixel's loss by that of its label.
    normalise : {"count", "weights"}
        What a mean with class weights is divided by: by how many pixels there are, or by what they weigh, as torch does.
    label_smoothing : float
        In [0, 1), 0.
    scope : {"batch", "image"}
        What is one pool.
    align_corners : bool
        Of interpolated logits, as PyTorch's.
    focal_gamma, focal_alpha : float
        Of focal losses: 2, and -1 for none.
    topk_count : int
        Of top-k: a number of pixels instead of `support`.
    ohem_thresh, ohem_min_kept : float, int
        Of hard example mining: 0.7, and 100000 pixels an image.
    sampling : {"even", "under", "over"}
        Of balanced drawing.
    seed : int
        Of balanced drawing.
    solver : {"search", "sort"}
        The same bits; the second is slower.

    Returns
    -------
    LossResult
        L, the threshold, counts, and the arrays that were asked for.

    Raises
    ------
    InvalidType, InvalidArgument, SizeOverflow
        Before anything runs; the message has the argument, its value, and what was expected.
    NoDevice, DeviceNotFound, DeviceUnsupported, OutOfMemory, BuildFailed, OpenCLError, Forked

    Notes
    -----
    S. Rota Bulo, G. Neuhold, P. Kontschieder, "Loss Max-Pooling for Semantic Image Segmentation", CVPR 2017,
    arXiv 1704.02966.  The same inputs give the same bits on every device.

    Examples
    --------
    >>> logits = np.array([[5, 4, 6, 5, 4, 5, 3, 1], [0, 0, 0, 0, 0, 0, 0, 2]], np.float32).reshape(2, 1, 8)
    >>> step = libclmp.loss(logits, np.zeros((1, 8), np.uint8), weights=True)
    >>> print(f"L = {step.loss:.6f}, {step.support} of {step.valid} pixels at full weight")
    L = 0.385874, 1 of 8 pixels at full weight
    """
    given: dict[str, Any] = dict(fields)
    options = _options(given, "loss()")
    x = take_logits(logits, layout)
    shape = x.array.shape
    y, label_type, label_shape = _labels_like(labels, shape, _is_binary(given.get("loss")))
    key = (*_shape_fields(x, y, label_type), *options, *_ranks(group))
    inputs = [Memory("logits", x.array.ctypes.data, x.size), _memory("labels", y)]
    outputs: list[Memory] = []
    made: dict[str, Any] = {}
    narrow: Array | None = None
    if gradient:
        memory, made["gradient"] = x.like()
        outputs.append(_memory("gradient", memory))
        if layout == "nhwc":
            made["gradient"] = made["gradient"].transpose(0, 2, 3, 1)
        if np.ndim(logits) == 3:
            made["gradient"] = made["gradient"][0]
        if x.kind != FloatType.FLOAT32:
            narrow = np.zeros(2, np.uint64)
            outputs.append(_memory("gradient_range", narrow))
    for name, wanted in (("losses", losses), ("weights", weights)):
        if wanted:
            made[name] = np.empty(label_shape, np.float32)
            outputs.append(_memory(name, made[name]))
    found = _run(
        device,
        key,
        key,
        "clmp_enqueue_gradient" if gradient else "clmp_enqueue_loss",
        inputs,
        outputs,
        step=integer("step", step),
        gradient_scale=real("gradient_scale", gradient_scale),
    )
    if narrow is not None:
        made["gradient_overflowed"], made["gradient_underflowed"] = narrow.tolist()
    result = object.__new__(LossResult)  # as its constructor, which sets one field after the other, in a fifth of the time
    result.__dict__.update(found[0], images=_images(found), **made)
    return result


def weights(
    losses: ArrayLike, *, device: str | Context | None = None, group: Any = None, **fields: Unpack[PlanFields]
) -> WeightsResult:
    """The pooling weights of losses that you already have.

    Parameters
    ----------
    losses : array_like
        float32, of any shape.  NaN, infinite or negative: nonfinite, and weight 0.
    device, group
        As for `loss`.

    Other Parameters
    ----------------
    weighting, p, support, scope, topk_count, ohem_thresh, ohem_min_kept, solver
        As for `loss`.  The first axis is that of images where there are three or more, and with ``scope="image"``
        where there are two; else the losses are those of one image, of which ohem keeps `ohem_min_kept`.

    Returns
    -------
    WeightsResult
        L, the threshold, counts, and the weights.

    Raises
    ------
    InvalidType, InvalidArgument, SizeOverflow
        Before anything runs.
    NoDevice, DeviceNotFound, DeviceUnsupported, OutOfMemory, BuildFailed, OpenCLError, Forked

    Examples
    --------
    >>> libclmp.weights(np.array([1, 2, 3, 4], np.float32), p=1, support=0.5).weights
    array([0. , 0. , 0.5, 0.5], dtype=float32)
    """
    array = np.asarray(losses)
    if array.dtype.name != "float32":
        raise InvalidType(f"losses has the dtype {array.dtype}, expected float32")
    if array.size == 0:
        raise InvalidArgument(f"losses has the shape {array.shape}, expected at least one pixel")
    array = np.require(array, np.float32, ["C", "ALIGNED"])
    by_image = enum_value("scope", Scope, fields.get("scope", Scope.BATCH)) == Scope.IMAGE
    images = array.shape[0] if array.ndim >= (2 if by_image else 3) else 1
    options = _options(dict(fields), "weights()")
    key = (("input", 1), ("images", images), ("height", 1), ("width", array.size // images), *options, *_ranks(group))
    out = np.empty(array.shape, np.float32)
    found = _run(device, key, key, "clmp_enqueue_weights", [_memory("losses", array)], [_memory("weights", out)])
    return WeightsResult(**found[0], images=_images(found), weights=out)


# ------------------------------------------------------------------------------------------------------- class weights


def label_counts(
    labels: ArrayLike | Iterable[ArrayLike], classes: int, *, ignore_index: int = 255, device: str | Context | None = None
) -> Array:
    """How often classes are, in label maps.

    Parameters
    ----------
    labels : array_like or iterable of array_like
        Label maps (H, W) or (N, H, W), of any integer type; an iterable's may be of several sizes, and are taken one
        after the other.
    classes : int
        C, the number of classes.
    ignore_index : int
        Label of pixels that are left out.
    device : str or Context, optional
        As for `loss`.

    Returns
    -------
    ndarray
        uint64 (2 C + 3), as the library has them: pixels of each class; labelled pixels of the images that have it; and
        how many pixels are ignored, have a label that is no class, and how many images there are.  Arrays of several
        calls may be added.
    """
    classes = integer("classes", classes)
    if classes == 0:
        raise InvalidArgument("classes is 0, expected at least 1")
    counts = np.zeros(_header.label_counts(classes), np.uint64)
    for one in [labels] if hasattr(labels, "__array__") or hasattr(labels, "dtype") else labels:  # type: ignore[union-attr]
        array, kind = take_labels(one)
        if array.ndim not in (2, 3) or array.size == 0:
            raise InvalidArgument(f"labels has the shape {array.shape}, expected (H, W) or (N, H, W), none of them 0")
        key = (
            ("input", 2),
            ("images", array.shape[0] if array.ndim == 3 else 1),
            ("classes", classes),
            ("height", array.shape[-2]),
            ("width", array.shape[-1]),
            ("label_type", kind),
            ("ignore_index", integer("ignore_index", ignore_index, ctypes.c_int64)),
        )
        outputs = [_memory("label_counts", counts)]
        _run(device, key, key, "clmp_enqueue_label_counts", [_memory("labels", array)], outputs, results=False)
    return counts


def class_weights(
    labels: ArrayLike | Iterable[ArrayLike] | None = None,
    classes: int | None = None,
    *,
    counts: ArrayLike | None = None,
    ignore_index: int = 255,
    device: str | Context | None = None,
    **fields: Any,
) -> Array:
    """Class weights for cost-sensitive learning, from how often classes are.

    Parameters
    ----------
    labels, classes, ignore_index, device
        As for `label_counts`.
    counts : array_like, optional
        What `label_counts` gave, instead of `labels` and `classes`.

    Other Parameters
    ----------------
    scheme : {"inverse", "inverse-sqrt", "median", "median-sqrt", "enet", "effective"}
        Which: the header has the equations and their sources.
    enet_offset : float
        1.02.
    beta : float
        0.9999, of "effective".
    absent : float
        1: the weight of a class that no pixel has.

    Returns
    -------
    ndarray
        float32 (C), for `loss`.

    Examples
    --------
    >>> libclmp.class_weights(np.array([[0, 0, 0, 1]], np.uint8), 2)
    array([0.6666667, 2.       ], dtype=float32)
    """
    params: ClassWeightsParams = _library.init("clmp_class_weights_params_init_sized", ClassWeightsParams)
    known = [name for name, *_ in ClassWeightsParams._fields_ if name != "struct_size"]
    for name, value in fields.items():
        if name not in known:
            raise unknown(name, known, "class_weights()")
        set_field(params, name, value, SCHEMES)
    if (counts is None) == (labels is None):
        raise InvalidArgument("expected either labels and classes, or counts")
    if counts is None:
        if classes is None:
            raise InvalidArgument("classes is None, expected their number")
        counts = label_counts(labels, classes, ignore_index=ignore_index, device=device)  # type: ignore[arg-type]
    array = np.ascontiguousarray(counts, np.uint64)
    number = (array.size - 3) // 2
    if array.ndim != 1 or number < 1 or array.size != _header.label_counts(number):
        raise InvalidArgument(f"counts has the shape {array.shape}, expected (2 C + 3,), as label_counts() gives it")
    out = np.empty(number, np.float32)
    status = _library.clmp().clmp_class_weights(
        array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64)),
        number,
        byref(params),
        out.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
    )
    if status == Status.INVALID_ARGUMENT:  # this function has no log to tell
        values = ", ".join(f"{name} is {getattr(params, name)}" for name in known)
        raise InvalidArgument(f"{values}: expected enet_offset above 1, beta in [0, 1) and absent >= 0, all finite")
    check(status)
    return out


# ------------------------------------------------------------------------------------------------------------- metrics


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """What was predicted, and what it should have been.  Those of several batches may be added.

    Attributes
    ----------
    counts : ndarray
        uint64 (C C + 3), as the library has them.
    """

    counts: Array

    @property
    def classes(self) -> int:
        """C, their number."""
        return int(np.sqrt(self.counts.size - 3))

    @property
    def matrix(self) -> Array:
        """uint64 (C, C): pixels of class y (row) whose prediction is c (column)."""
        return self.counts[: self.classes**2].reshape(self.classes, self.classes)

    @property
    def ignored(self) -> int:
        """Pixels with ignore_index."""
        return int(self.counts[-3])

    @property
    def invalid_labels(self) -> int:
        """Pixels whose label is no class."""
        return int(self.counts[-2])

    @property
    def unpredicted(self) -> int:
        """Labelled pixels with a NaN among their logits."""
        return int(self.counts[-1])

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)

    def _metrics(self) -> tuple[Metrics, Array, Array]:
        metrics = Metrics()
        iou, accuracy = np.empty(self.classes), np.empty(self.classes)
        doubles = ctypes.POINTER(ctypes.c_double)
        check(
            _library.clmp().clmp_confusion_metrics_sized(
                self.counts.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64)),
                self.classes,
                byref(metrics),
                ctypes.sizeof(metrics),
                iou.ctypes.data_as(doubles),
                accuracy.ctypes.data_as(doubles),
            )
        )
        return metrics, iou, accuracy

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels that are right."""
        return self._metrics()[0].pixel_accuracy

    @property
    def mean_accuracy(self) -> float:
        """Mean, over the classes that a label has, of the share of its pixels that are right."""
        return self._metrics()[0].mean_accuracy

    @property
    def mean_iou(self) -> float:
        """Mean, over the classes present, of intersection over union."""
        return self._metrics()[0].mean_iou

    @property
    def iou(self) -> Array:
        """float64 (C): intersection over union; NaN for a class that is not present."""
        return self._metrics()[1]

    @property
    def accuracy(self) -> Array:
        """float64 (C): share of a class's pixels that are right; NaN for a class that no label has."""
        return self._metrics()[2]


def confusion(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    ignore_index: int = 255,
    align_corners: bool = False,
    layout: str = "nchw",
    device: str | Context | None = None,
) -> Confusion:
    """Counts predictions: the class with the largest logit, of equal ones the lowest.

    Parameters
    ----------
    logits, labels, ignore_index, align_corners, layout, device
        As for `loss`.

    Returns
    -------
    Confusion
        The matrix, and the metrics that it comes to.

    Raises
    ------
    Error
        As `loss` does.

    Examples
    --------
    >>> found = libclmp.confusion(np.array([[[1.0, 0.0]], [[0.0, 1.0]]], np.float32), np.array([[0, 0]], np.uint8))
    >>> found.matrix.tolist(), found.pixel_accuracy
    ([[1, 1], [0, 0]], 0.5)
    """
    x = take_logits(logits, layout)
    y, label_type, _ = _labels_like(labels, x.array.shape, False)
    key = (
        *_shape_fields(x, y, label_type),
        ("ignore_index", integer("ignore_index", ignore_index, ctypes.c_int64)),
        ("align_corners", flag("align_corners", align_corners)),
    )
    counts = np.zeros(_header.confusion(x.array.shape[1]), np.uint64)
    inputs = [Memory("logits", x.array.ctypes.data, x.size), _memory("labels", y)]
    _run(device, ("confusion", *key), key, "clmp_enqueue_confusion", inputs, [_memory("confusion", counts)], results=False)
    return Confusion(counts)
