# SPDX-License-Identifier: Apache-2.0
"""Steps on torch's tensors, and what autograd makes of them."""

from __future__ import annotations

import json
import math
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from libclmp import _library
from libclmp._arrays import span, strides_of_plan
from libclmp._engine import Memory, engine
from libclmp._errors import InvalidArgument, InvalidType
from libclmp._header import FloatType, LabelType, Layout
from libclmp._ranks import ranks_of

FLOATS = {
    torch.float32: FloatType.FLOAT32,
    torch.float16: FloatType.FLOAT16,
    torch.bfloat16: FloatType.BFLOAT16,
}
LABELS = {torch.uint8: LabelType.UINT8, torch.int32: LabelType.INT32, torch.int64: LabelType.INT64}
WIDER = {torch.bool: torch.uint8, torch.int8: torch.int32, torch.int16: torch.int32}
if hasattr(torch, "uint16"):  # of later torches
    LABELS[torch.uint16] = LabelType.UINT16
    WIDER[torch.uint32] = torch.int64

_warned = False


class Problem(NamedTuple):
    """What a loss is, apart from tensors."""

    options: tuple[tuple[str, Any], ...]  # fields of clmp_plan_params
    binary: bool
    device: Any
    group: Any = None  # as ranks_of() takes it
    averaged: bool = False  # over its ranks, after backward

    @property
    def scope_is_image(self) -> bool:
        return str(dict(self.options).get("scope", "batch")).lower() in ("image", "1")


class Outcome(NamedTuple):
    loss: torch.Tensor  # float32, no dimension
    gradient: torch.Tensor | None
    record: torch.Tensor  # uint8: records of clmp_result


def check_tensors(logits: Any, labels: Any, binary: bool) -> None:
    """Whether tensors are what a loss takes; words that say what they are, where not."""
    for name, tensor in (("logits", logits), ("labels", labels)):
        if not isinstance(tensor, torch.Tensor):
            raise InvalidType(f"{name} is of the type {type(tensor).__name__}, expected a torch.Tensor")
        if tensor.device.type == "meta":
            raise InvalidArgument(f"{name} is on the device meta, expected a tensor with memory")
        if tensor.layout != torch.strided:
            raise InvalidArgument(f"{name} has the layout {tensor.layout}, expected torch.strided")
    if labels.requires_grad:
        raise InvalidArgument("labels requires a gradient, expected integers, which have none")
    if logits.dtype not in FLOATS:
        raise InvalidType(f"logits has the dtype {logits.dtype}, expected float32, float16 or bfloat16")
    if labels.dtype not in LABELS and labels.dtype not in WIDER:
        raise InvalidType(f"labels has the dtype {labels.dtype}, expected an integer type")
    if logits.device != labels.device:
        raise InvalidArgument(f"labels is on the device {labels.device}, expected {logits.device}, that of logits")
    if logits.dim() != 4 or logits.numel() == 0:
        raise InvalidArgument(f"logits has the shape {tuple(logits.shape)}, expected (N, C, H, W), none of them 0")
    images, classes = logits.shape[:2]
    if binary:
        expected, good = f"({images}, {classes}, H, W)", labels.dim() == 4 and labels.shape[:2] == (images, classes)
    else:
        expected = f"({images}, H, W) or ({images}, 1, H, W)"
        good = labels.shape[:1] == (images,) and (labels.dim() == 3 or labels.dim() == 4 and labels.shape[1] == 1)
    if not good or labels.numel() == 0:
        raise InvalidArgument(
            f"labels has the shape {tuple(labels.shape)}, expected {expected} for logits of {tuple(logits.shape)}"
        )


def _bytes(strides: tuple[int, ...], element: int) -> list[int]:
    return [stride * element for stride in strides]


def _as_it_lies(logits: torch.Tensor) -> tuple[torch.Tensor, Layout, int]:
    """Logits that a plan takes: these, or a copy where their strides are none that a plan can have."""
    element = logits.element_size()
    found = strides_of_plan(logits.shape, _bytes(logits.stride(), element), element)
    if found is None:
        logits = logits.contiguous()
        found = strides_of_plan(logits.shape, _bytes(logits.stride(), element), element)
        assert found is not None
    return logits, *found


def _to_host(tensor: torch.Tensor) -> torch.Tensor:
    global _warned
    if tensor.device.type == "cpu":
        return tensor
    if not _warned:
        _warned = True
        warnings.warn(
            f"libclmp: tensors on {tensor.device} go through the host's memory and back: torch has no way to share them "
            "with OpenCL",
            stacklevel=5,
        )
    return tensor.to("cpu")


def host_labels(labels: torch.Tensor) -> torch.Tensor:
    """Labels in the host's memory, dense, of a type that the library has."""
    return _to_host(labels).to(WIDER.get(labels.dtype, labels.dtype)).contiguous()


def run(
    logits: torch.Tensor,
    labels: torch.Tensor,
    weight: torch.Tensor | None,
    problem: Problem,
    gradient: bool,
    scale: float,
    step: int,
) -> Outcome:
    """One step.  Tensors of the host's memory are used where they lie."""
    host, layout, pitch = _as_it_lies(_to_host(logits.detach()))
    y = host_labels(labels)
    images, classes, height, width = host.shape
    size = y.shape[-2:]
    shape = (("images", images), ("classes", classes), ("height", size[0]), ("width", size[1]))
    key: tuple[tuple[str, Any], ...] = (
        *shape,
        ("logits_height", height),
        ("logits_width", width),
        ("label_type", LABELS[y.dtype]),
        ("logits_type", FLOATS[host.dtype]),
        ("logits_layout", layout),
        ("logits_row_pitch", pitch),
        *problem.options,
    )
    if weight is not None:
        key += (("class_weights", tuple(weight.detach().tolist())),)
    if problem.group is not None:
        ranks = ranks_of(problem.group)
        key += (("ranks", ranks),)
        if problem.averaged:
            scale *= ranks.size  # which those who average divide by
    place = engine("auto" if problem.device == "auto" and logits.device.type == "cpu" else _named(problem.device))
    clmp = _library.clmp()
    labels_memory = Memory("labels", y.data_ptr(), y.numel() * y.element_size())
    element = host.element_size()
    logits_memory = Memory("logits", host.data_ptr(), span(host.shape, _bytes(host.stride(), element), element))
    out = torch.empty_strided(host.shape, host.stride(), dtype=host.dtype) if gradient else None
    outputs = [] if out is None else [Memory("gradient", out.data_ptr(), logits_memory.size)]
    finite = math.isfinite(scale)
    slot = place.take(key, lambda: dict(key))
    try:
        records = slot.run(
            clmp.clmp_enqueue_gradient if gradient else clmp.clmp_enqueue_loss,
            [logits_memory, labels_memory],
            outputs,
            step,
            scale if finite else 1.0,
        )
        record = torch.frombuffer(bytearray(records), dtype=torch.uint8)
        value = records[0].loss
    finally:
        place.give(key, slot)
    if out is not None:
        if not finite:
            out.mul_(scale)
        out = out.to(logits.device)
    return Outcome(torch.tensor(value, dtype=torch.float32, device=logits.device), out, record)


def _named(device: Any) -> Any:
    return None if device == "auto" else device


def _can_scale(made_with: float, scale: float) -> bool:
    """Whether a gradient made with one scale has the other's digits: a small one loses them, a large one is cut off."""
    return 2.0**-32 <= abs(made_with) <= 2.0**32 and (not math.isfinite(scale) or abs(scale) <= 2.0**32)


class _Once(torch.autograd.Function):
    """A gradient that knows that there is no second one."""

    @staticmethod
    def forward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError("libclmp's losses have no second derivative: leave out create_graph=True, or their gradient")


class Pool(torch.autograd.Function):
    """Logits to L; backward gives the gradient that the same step has found.

    The gradient is made along with L, at the scale that the last backward had (that of a GradScaler, or the share of an
    auxiliary head), since it would take as long again to make it afterwards.  Backward hands it on.  Logits and labels
    are kept besides, which costs nothing as long as they are anyway, for the cases in which it must be made anew: the
    scale is another one and the type has 16 bits, or backward runs a second time.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: torch.Tensor,
        labels: torch.Tensor,
        weight: torch.Tensor | None,
        problem: Problem,
        state: Any,
        step: int,
        wanted: bool,
    ) -> torch.Tensor:
        scale = state._scale
        outcome = run(logits, labels, weight, problem, wanted, scale, step)
        if wanted:
            ctx.save_for_backward(logits, labels, *(() if weight is None else (weight,)))
            ctx.gradient, ctx.scale, ctx.step = outcome.gradient, scale, step
            ctx.problem, ctx.state = problem, state
        state._record = outcome.record
        return outcome.loss

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        scale = float(upstream.detach())
        gradient, made_with = ctx.gradient, ctx.scale
        ctx.gradient = None  # whoever gets it may change it
        if math.isfinite(scale):
            ctx.state._scale = scale
        if gradient is not None and scale != made_with and gradient.dtype == torch.float32 and _can_scale(made_with, scale):
            gradient.mul_(scale / made_with)
        elif gradient is None or scale != made_with:
            logits, labels, *weight = ctx.saved_tensors
            again = run(logits, labels, weight[0] if weight else None, ctx.problem, True, scale, ctx.step)
            gradient = again.gradient
        if torch.is_grad_enabled() and gradient is not None:  # somebody wants to differentiate what is returned
            gradient = _Once.apply(gradient.requires_grad_())
        return gradient, None, None, None, None, None, None


# ------------------------------------------------------------------------------------------------------- torch.compile

# To a compiler the step is an operator that it does not look into.  Options are its text.


def problem_text(problem: Problem) -> str:
    return json.dumps([problem.options, problem.binary, problem.device])


@lru_cache(maxsize=256)
def _problem_of(text: str) -> Problem:
    options, binary, device = json.loads(text)
    return Problem(tuple((name, value) for name, value in options), binary, device)


def _dense(logits: torch.Tensor) -> torch.Tensor:
    """Logits with the strides that empty_like() gives."""
    return logits if logits.stride() == torch.empty_like(logits, device="meta").stride() else logits.contiguous()


compiled: Any = None
if hasattr(torch, "library") and hasattr(torch.library, "custom_op"):
    Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

    def _pool(
        logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, problem: str, gradient: bool, step: int
    ) -> Tensors:
        known = _problem_of(problem)
        check_tensors(logits, labels, known.binary)
        outcome = run(_dense(logits), labels, weight, known, gradient, 1.0, step)
        found = logits.new_empty(0) if outcome.gradient is None else outcome.gradient
        return outcome.loss, found, outcome.record

    def _pool_fake(
        logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, problem: str, gradient: bool, step: int
    ) -> Tensors:
        records = 1 + (logits.shape[0] if _problem_of(problem).scope_is_image else 0)
        loss = logits.new_empty((), dtype=torch.float32)
        record = torch.empty(64 * records, dtype=torch.uint8, device="cpu")
        return loss, torch.empty_like(logits) if gradient else logits.new_empty(0), record

    def _again(
        logits: torch.Tensor,
        labels: torch.Tensor,
        weight: torch.Tensor | None,
        problem: str,
        upstream: torch.Tensor,
        step: int,
    ) -> torch.Tensor:
        found = run(_dense(logits), labels, weight, _problem_of(problem), True, float(upstream), step).gradient
        assert found is not None
        return found

    def _again_fake(
        logits: torch.Tensor,
        labels: torch.Tensor,
        weight: torch.Tensor | None,
        problem: str,
        upstream: torch.Tensor,
        step: int,
    ) -> torch.Tensor:
        return torch.empty_like(logits)

    def _operator(name: str, function: Any, fake: Any, schema: str) -> Any:
        made = torch.library.custom_op("libclmp::" + name, function, mutates_args=(), schema=schema)
        made.register_fake(fake)
        return made

    _tensors = "Tensor logits, Tensor labels, Tensor? weight, str problem, "
    compiled = _operator(
        "pool", _pool, _pool_fake, f"({_tensors}bool gradient, int step) -> (Tensor, Tensor, Tensor)"
    )
    _compiled_again = _operator("pool_again", _again, _again_fake, f"({_tensors}Tensor upstream, int step) -> Tensor")

    def _setup(ctx: Any, inputs: Any, output: Any) -> None:
        logits, labels, weight, problem, gradient, step = inputs
        ctx.problem, ctx.step, ctx.weighted = problem, step, weight is not None
        ctx.ready = gradient
        kept = (output[1],) if gradient else (logits, labels) + ((weight,) if ctx.weighted else ())
        ctx.save_for_backward(*kept)

    def _backward(ctx: Any, upstream: torch.Tensor, *_: Any) -> Any:
        if ctx.ready:
            found = ctx.saved_tensors[0] * upstream
        else:
            logits, labels, *weight = ctx.saved_tensors
            found = _compiled_again(logits, labels, weight[0] if weight else None, ctx.problem, upstream, ctx.step)
        return found, None, None, None, None, None

    compiled.register_autograd(_backward, setup_context=_setup)


def is_compiling() -> bool:
    """Whether torch.compile is looking at the lines that call this."""
    compiler = getattr(torch, "compiler", None)
    return bool(compiler is not None and hasattr(compiler, "is_compiling") and compiler.is_compiling())
