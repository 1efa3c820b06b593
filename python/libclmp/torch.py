# SPDX-License-Identifier: Apache-2.0
"""Losses for PyTorch, as modules: ``from libclmp.torch import LossMaxPooling``.

All of them take logits (N, C, H, W) and labels (N, H, W) or (N, 1, H, W), and give a scalar:

>>> import torch
>>> from libclmp.torch import LossMaxPooling
>>> logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
>>> loss = LossMaxPooling(p=1.7, support=0.25)(logits, torch.zeros(1, 4, 4, dtype=torch.int64))
>>> loss.backward()
>>> f"{loss.item():.4f}", tuple(logits.grad.shape)
('1.0986', (1, 3, 4, 4))

Logits are float32, float16 or bfloat16, contiguous or channels_last; labels of any integer type.  Logits smaller than the
labels are interpolated within the loss, so leave out ``F.interpolate``.  L is float32; the gradient is of the logits' type.
Tensors of the host's memory are used where they lie, on a CPU device; those of other devices are copied to the host and
back, which a warning says once.  There is no second derivative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from libclmp import _header, _torch
from libclmp._errors import InvalidArgument, InvalidType
from libclmp._fields import BINARY, enum_value, flag, integer, real, unknown
from libclmp._header import PlanFields, Result, ResultRecord
from libclmp._plan import Context, result_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["CrossEntropyLoss", "FocalLoss", "LossMaxPooling", "OhemCrossEntropy", "PooledLoss", "TopKCrossEntropy"]

_NO_LABEL = -(2**63)  # an ignore_index that no label has


class PooledLoss(nn.Module):
    """Any loss with any weighting of the library; the other modules are this one under familiar names.

    Parameters
    ----------
    weight : Tensor, optional
        (C) class weights: numbers >= 0 that multiply a pixel's loss by that of its label.
    device : str or libclmp.Context
        "auto": for tensors in host memory a CPU device, which uses the tensors without a copy; else the first GPU,
        else the first device.  Or part of the name of a device or its platform, or an open device.
    group : optional
        The batch is that of all ranks of a group, in their order, which all call with as many steps: "world" for the
        default group of torch.distributed (looked up at the step), a process group (with gloo: the sums are of the
        host's memory), or a communicator of mpi4py.  L is that of the whole batch, on each rank.
    averaged : bool
        With a group: gradients are averaged over its ranks after backward, as DistributedDataParallel does it, so that
        here they are multiplied by the number of ranks, and their mean is the gradient of L.  False where they are
        summed.
    **fields
        As for `libclmp.loss`: ``loss``, ``weighting``, ``p``, ``support``, ``ignore_index`` (255), ``label_smoothing``,
        ``scope``, ``align_corners`` and the others.

    Raises
    ------
    libclmp.Error
        At once for what is no keyword, number or word; what does not go together is refused at the first step.

    Notes
    -----
    S. Rota Bulo, G. Neuhold, P. Kontschieder, "Loss Max-Pooling for Semantic Image Segmentation", CVPR 2017,
    arXiv 1704.02966.
    """

    weight: torch.Tensor | None

    def __init__(
        self,
        *,
        weight: torch.Tensor | None = None,
        device: str | Context = "auto",
        group: Any = None,
        averaged: bool = True,
        **fields: Unpack[PlanFields],
    ) -> None:
        super().__init__()
        given: dict[str, Any] = dict(fields)
        for name, value in given.items():
            if name == "class_weights" or name not in _header.PlanFields.__annotations__:
                known = ["weight", "device", "group", "averaged", *_header.PlanFields.__annotations__]
                raise unknown(name, known, type(self).__name__ + "()")
            given[name] = self._checked(name, value)
        if not isinstance(device, (str, Context)):
            raise InvalidType(f"device is {device!r}, expected a name, a libclmp.Context, or 'auto'")
        if weight is not None:
            weight = torch.as_tensor(weight, dtype=torch.float32).detach()
            if weight.dim() != 1:
                raise InvalidArgument(f"weight has the shape {tuple(weight.shape)}, expected one number for each class")
            if not bool(torch.isfinite(weight).all()) or bool((weight < 0).any()) or not bool((weight > 0).any()):
                raise InvalidArgument(f"weight is {weight.tolist()}, expected finite numbers >= 0, not all 0")
        self.register_buffer("weight", weight)
        self._fields = given
        if isinstance(group, str) and group != "world":
            raise InvalidType(f"group is {group!r}, expected 'world', or a group")
        self._set_problem(device, group, flag("averaged", averaged))
        self._scale = 1.0
        self._step = 0
        self._record: torch.Tensor | None = None

    def _set_problem(self, device: str | Context, group: Any, averaged: bool) -> None:
        fields = self._fields
        options, binary = tuple(sorted(fields.items())), fields.get("loss") in BINARY
        self._problem = _torch.Problem(options, binary, device, group, averaged)
        self._text = _torch.problem_text(self._problem) if isinstance(device, str) and group is None else None
        self._draws = fields.get("weighting") == _header.Weighting.BALANCED

    @staticmethod
    def _checked(name: str, value: Any) -> Any:
        """A field's value, as the library has it; what it may be is known at the first step."""
        kind: Any = {field[0]: field[1] for field in _header.PlanParams._fields_}[name]
        if name in _header.FIELD_ENUMS:
            return enum_value(name, _header.FIELD_ENUMS[name], value)
        if kind.__name__ == "c_bool":
            return flag(name, value)
        if kind.__name__ in ("c_double", "c_float"):
            return real(name, value)
        return integer(name, value, kind)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Parameters
        ----------
        logits : Tensor
            (N, C, H, W), or (N, C, h, w), smaller than the labels.
        labels : Tensor
            (N, H, W) or (N, 1, H, W); of binary losses (N, C, H, W).

        Returns
        -------
        Tensor
            L, float32, without a dimension.

        Raises
        ------
        libclmp.Error
            Before anything runs, with the argument, its value, and what was expected.
        """
        problem, step = self._problem, self._step
        if self._draws:
            self._step += 1
        _torch.check_tensors(logits, labels, problem.binary)
        if self.weight is not None and self.weight.numel() != logits.shape[1]:
            raise InvalidArgument(
                f"weight has {self.weight.numel()} numbers, expected one for each of {logits.shape[1]} classes"
            )
        if _torch.compiled is not None and self._text is not None and _torch.is_compiling():
            # Of 16 bits the gradient is made when its scale is known, lest it vanishes.
            ready = logits.requires_grad and logits.dtype == torch.float32 and torch.is_grad_enabled()
            loss: torch.Tensor
            loss, _, self._record = _torch.compiled(logits, labels, self.weight, self._text, ready, step)
        else:
            wanted = logits.requires_grad and torch.is_grad_enabled()
            loss = _torch.Pool.apply(logits, labels, self.weight, problem, self, step, wanted)
        return loss

    @property
    def result(self) -> Result | None:
        """What the last step found: threshold, counts of valid, ignored and invalid pixels; None before the first."""
        record = self._record
        if record is None:
            return None
        return result_of(ResultRecord.from_buffer_copy(bytes(record.tolist())))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_record": None}

    def extra_repr(self) -> str:
        words = []
        for name, value in self._fields.items():
            kind = _header.FIELD_ENUMS.get(name)
            words.append(f"{name}={kind(value).name.lower() if kind else value}")
        return ", ".join(words)


class LossMaxPooling(PooledLoss):
    """Loss max-pooling: the mean loss under the worst pixel weights that two bounds allow.

    Parameters
    ----------
    p : float
        In [1, inf]: at 1 the hardest pixels have all the weight, at inf all pixels have the same.
    support : float
        In (0, 1]: at least this share of the pixels carries the weight.
    ignore_index : int
        A pixel with this label is left out.
    label_smoothing : float
        In [0, 1), as torch defines it.
    scope : {"batch", "image"}
        What is one pool.
    align_corners : bool
        Of logits that are interpolated.
    weight, device, group, averaged, **fields
        As for `PooledLoss`; ``loss="focal"`` pools focal losses.
    """

    def __init__(
        self,
        p: float = 1.7,
        support: float = 0.25,
        *,
        weight: torch.Tensor | None = None,
        ignore_index: int = 255,
        label_smoothing: float = 0.0,
        scope: str = "batch",
        align_corners: bool = False,
        device: str | Context = "auto",
        **fields: Any,
    ) -> None:
        super().__init__(
            weight=weight,
            device=device,
            weighting="lmp",
            p=p,
            support=support,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            scope=scope,
            align_corners=align_corners,
            **fields,
        )


class OhemCrossEntropy(PooledLoss):
    """Online hard example mining, as mmsegmentation's OHEMPixelSampler selects; the mean over the pixels kept.

    Parameters
    ----------
    thresh : float
        Pixels whose label has a probability below this are kept.
    min_kept : int
        At least this many pixels are kept for each image, the least probable ones.
    weight, ignore_index, align_corners, device
        As for `LossMaxPooling`.

    Notes
    -----
    mmsegmentation divides by all pixels, ignored ones too; this by the pixels kept.
    """

    def __init__(
        self,
        thresh: float = 0.7,
        min_kept: int = 100000,
        *,
        weight: torch.Tensor | None = None,
        ignore_index: int = 255,
        align_corners: bool = False,
        device: str | Context = "auto",
        **fields: Any,
    ) -> None:
        super().__init__(
            weight=weight,
            device=device,
            weighting="ohem",
            ohem_thresh=thresh,
            ohem_min_kept=min_kept,
            ignore_index=ignore_index,
            align_corners=align_corners,
            **fields,
        )


class TopKCrossEntropy(PooledLoss):
    """The mean over the hardest pixels, as nnU-Net's TopKLoss.

    Parameters
    ----------
    k : float
        Per cent of the valid pixels, above 0, at most 100.
    weight, ignore_index, label_smoothing, scope, align_corners, device
        As for `LossMaxPooling`.
    """

    def __init__(
        self,
        k: float = 10.0,
        *,
        weight: torch.Tensor | None = None,
        ignore_index: int = 255,
        label_smoothing: float = 0.0,
        scope: str = "batch",
        align_corners: bool = False,
        device: str | Context = "auto",
        **fields: Any,
    ) -> None:
        if not 0.0 < real("k", k) <= 100.0:
            raise InvalidArgument(f"k is {k}, expected a number above 0, at most 100")
        super().__init__(
            weight=weight,
            device=device,
            weighting="topk",
            support=k / 100.0,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            scope=scope,
            align_corners=align_corners,
            **fields,
        )


class FocalLoss(PooledLoss):
    """Focal losses.

    Parameters
    ----------
    mode : {"softmax", "binary", "multilabel", "multiclass"}
        "softmax": (1 - p_y)^gamma (-ln p_y), p the softmax.  The others are those of segmentation_models_pytorch, by
        sigmoid: labels of 0 and 1 for one class, or for each; or one label for each pixel.  The mean is that over pixels
        and classes, as in their version 0.6; earlier ones summed over the classes in "multiclass".
    alpha : float, optional
        Weight of class 1, and 1 - alpha that of class 0; of softmax a factor.
    gamma : float
        0, or from 2^-10 to 8.
    ignore_index : int, optional
        None: no pixel is left out.
    weight, align_corners, device
        As for `LossMaxPooling`.
    **fields
        ``weighting``, "uniform" unless given, and what it takes.
    """

    def __init__(
        self,
        mode: str = "softmax",
        alpha: float | None = None,
        gamma: float = 2.0,
        ignore_index: int | None = 255,
        *,
        weight: torch.Tensor | None = None,
        align_corners: bool = False,
        device: str | Context = "auto",
        **fields: Any,
    ) -> None:
        if mode not in ("softmax", "binary", "multilabel", "multiclass"):
            raise InvalidArgument(f"mode is {mode!r}, expected 'softmax', 'binary', 'multilabel' or 'multiclass'")
        self.mode = mode
        fields.setdefault("weighting", "uniform")
        super().__init__(
            weight=weight,
            device=device,
            loss="focal" if mode == "softmax" else "binary-focal",
            focal_alpha=-1.0 if alpha is None else alpha,
            focal_gamma=gamma,
            ignore_index=_NO_LABEL if ignore_index is None else ignore_index,
            align_corners=align_corners,
            **fields,
        )

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """As `PooledLoss.forward`; labels in "binary" (N, H, W) or (N, 1, H, W), in "multilabel" (N, C, H, W)."""
        if self.mode == "binary" and labels.dim() == 3:
            labels = labels.unsqueeze(1)
        if self.mode != "multiclass":
            return super().forward(logits, labels)
        _torch.check_tensors(logits, labels, False)
        labels = labels.reshape(labels.shape[0], 1, *labels.shape[-2:])
        classes = logits.shape[1]
        each = labels == torch.arange(classes, device=labels.device).view(1, -1, 1, 1)
        ignored = labels == self._fields["ignore_index"]
        chosen = torch.where(ignored, self._fields["ignore_index"], each.to(torch.int64))
        return super().forward(logits, chosen)


class CrossEntropyLoss(PooledLoss):
    """torch.nn.CrossEntropyLoss, for logits (N, C, H, W): the same number, from logits of any size up to the labels'.

    Parameters
    ----------
    weight : Tensor, optional
        (C) class weights; the mean is divided by the sum of the pixels' weights, as torch does.
    ignore_index : int
        -100, as torch's.
    reduction : {"mean"}
        No other: a pixel has no gradient of its own here.
    label_smoothing : float
        In [0, 1).
    align_corners, device, group, averaged
        As for `PooledLoss`.

    Notes
    -----
    Unlike torch's: a label that is no class is left out and counted (`result`), and so is a pixel whose loss is not
    finite; without a valid pixel L is 0, not NaN.
    """

    def __init__(
        self,
        weight: torch.Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        align_corners: bool = False,
        device: str | Context = "auto",
        group: Any = None,
        averaged: bool = True,
    ) -> None:
        if reduction != "mean":
            raise InvalidArgument(f"reduction is {reduction!r}, expected 'mean'")
        super().__init__(
            weight=weight,
            device=device,
            group=group,
            averaged=averaged,
            weighting="uniform",
            normalise="weights",
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            align_corners=align_corners,
        )
