# SPDX-License-Identifier: Apache-2.0
"""Loss max-pooling for semantic segmentation, on any OpenCL device, with the same bits.

>>> import libclmp
>>> import numpy as np
>>> logits = np.zeros((1, 2, 4, 4), np.float32)
>>> labels = np.zeros((1, 4, 4), np.uint8)
>>> step = libclmp.loss(logits, labels, gradient=True)
>>> step.valid, step.gradient.shape
(16, (1, 2, 4, 4))

NumPy arrays go in and come out: `loss`, `weights`, `class_weights`, `confusion`; `devices` lists the devices.
`Context` and `Plan` take contexts, queues, buffers and events of PyOpenCL.  `libclmp.torch` has modules for PyTorch.  With
``group=`` several processes share a batch; `Ranks` is for processes that neither torch.distributed nor mpi4py connects.

OpenCL is not used before the first call; until then a process may fork.
"""

from __future__ import annotations

from libclmp._engine import clear
from libclmp._errors import (
    BufferOverlap,
    BufferTooSmall,
    BuildFailed,
    DeviceNotFound,
    DeviceUnsupported,
    Error,
    Forked,
    InvalidArgument,
    InvalidType,
    NoDevice,
    OpenCLError,
    OutOfMemory,
    RanksFailed,
    SizeOverflow,
)
from libclmp._header import (
    VERSION as __version__,
    ClassScheme,
    FloatType,
    Input,
    LabelType,
    Layout,
    Loss,
    Normalise,
    Result,
    Sampling,
    Scope,
    Solver,
    Status,
    Weighting,
)
from libclmp._numpy import (
    Confusion,
    Device,
    LossResult,
    WeightsResult,
    class_weights,
    confusion,
    devices,
    label_counts,
    loss,
    weights,
)
from libclmp._plan import Context, Plan, read_results
from libclmp._ranks import Ranks

__all__ = [
    "BufferOverlap",
    "BufferTooSmall",
    "BuildFailed",
    "ClassScheme",
    "Confusion",
    "Context",
    "Device",
    "DeviceNotFound",
    "DeviceUnsupported",
    "Error",
    "FloatType",
    "Forked",
    "Input",
    "InvalidArgument",
    "InvalidType",
    "LabelType",
    "Layout",
    "Loss",
    "LossResult",
    "NoDevice",
    "Normalise",
    "OpenCLError",
    "OutOfMemory",
    "Ranks",
    "RanksFailed",
    "Plan",
    "Result",
    "Sampling",
    "Scope",
    "SizeOverflow",
    "Solver",
    "Status",
    "Weighting",
    "WeightsResult",
    "__version__",
    "class_weights",
    "clear",
    "confusion",
    "devices",
    "label_counts",
    "loss",
    "read_results",
    "weights",
]
