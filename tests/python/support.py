"""What tests of the Python package share.

SPDX-License-Identifier: Apache-2.0
"""

import os
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = int(os.environ.get("CLMP_TEST_SEED", "1"))


def problem(shape, seed=0, dtype=np.float32, labels=np.uint8, size=None, scale=3.0, ignored=255, share=0.1):
    """Logits of a shape, and labels of their size, or another, of which a share is ignored."""
    random = np.random.default_rng((SEED, seed))
    logits = (random.standard_normal(shape) * scale).astype(dtype)
    images, classes, height, width = shape
    chosen = random.integers(0, classes, (images, *(size or (height, width))))
    if ignored is not None:
        chosen[random.random(chosen.shape) < share] = ignored
    return logits, chosen.astype(labels)


def same_bits(one, other):
    """Whether two arrays have the same shape, type and bits."""
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def python(code, *arguments, environment=None, timeout=300):
    """Runs lines in a process of their own; gives it back, finished."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
