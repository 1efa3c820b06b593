"""The data of peers.py's cases: those of bench_cases.c, by numpy.

SPDX-License-Identifier: Apache-2.0

A pixel's label, loss and logits are functions of its index, by the same hash and the same formulas as in bench_cases.c,
so that a case here is clmp-bench's case but for the last bit of a logarithm.
"""

import numpy as np

from peer_cases import IGNORED

PATTERNS = 64  # ways in which the probability that the label does not get is shared out
BLOCK = 8  # pixels: neighbours mostly have one label, and losses alike
PIECE = 1 << 18  # pixels that are made at once


def _hash(x):
    """splitmix64's finisher: a random number for every index."""
    x = np.asarray(x, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)


def _uniform(random):
    """In (0, 1]."""
    return ((random >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53


def _normal(random):
    """Box and Muller."""
    return np.sqrt(-2.0 * np.log(_uniform(random))) * np.cos(6.283185307179586 * _uniform(_hash(random)))


class _Source:
    def __init__(self, case):
        self.case = case
        # the most frequent class is 400 times the rarest, about as on street scenes
        share = np.cumsum(np.exp(-6.0 * np.arange(case.classes) / (case.classes - 1)))
        self.cumulative = share / share[-1]
        self.pattern = (1.5 * _normal(_hash(np.arange(PATTERNS * case.classes)))).astype(np.float32)
        self.pattern = self.pattern.reshape(PATTERNS, case.classes)
        power = np.exp(self.pattern.astype(np.float64))
        self.pattern_rest = np.log(power.sum(1, keepdims=True) - power).astype(np.float32)

    def losses(self, pixel):
        """Losses and labels of pixels by their index in the batch."""
        case = self.case
        width = np.uint64(case.width)
        block = _hash((pixel // width // np.uint64(BLOCK) << np.uint64(32)) | pixel % width // np.uint64(BLOCK))
        labels = np.searchsorted(self.cumulative, _uniform(block)).clip(max=case.classes - 1).astype(np.uint8)
        if case.data == "equal":
            return np.full(pixel.shape, np.log(case.classes), np.float32), labels
        if case.data == "sorted":
            return (10.0 ** (-8.0 + 9.2 * pixel / case.pixels)).astype(np.float32), labels
        # 10^[-8, 1.2]: common classes around 1e-4, rare ones around 0.3, with 1.6 decades of deviation
        deviation = (_normal(_hash(block ^ np.uint64(0x5BD1E995))) + _normal(_hash(~pixel))) * 0.7071067811865476
        decades = -4.0 + 3.5 * labels / (case.classes - 1) + 1.6 * deviation
        losses = (10.0 ** decades.clip(-8.0, 1.2)).astype(np.float32)
        ignored = _hash(block) % np.uint64(50) == 0
        losses[ignored], labels[ignored] = 0.0, IGNORED
        return losses, labels

    def logits(self, pixel, losses, labels):
        """(C, pixels): 0 at the label, and over the others log(sum of exp) = log(exp(loss) - 1)."""
        if self.case.data == "equal":
            return np.zeros((self.case.classes, pixel.size), np.float32)
        label = np.where(labels < self.case.classes, labels, 0)
        row = (_hash(pixel + np.uint64(1)) % np.uint64(PATTERNS)).astype(np.intp)
        base = np.log(np.expm1(np.where(losses > 0.0, losses, 1.0).astype(np.float64))).astype(np.float32)
        logits = (base - self.pattern_rest[row, label]) + self.pattern[row].T
        logits[label, np.arange(pixel.size)] = 0.0
        return logits


def make(case):
    """Logits (N, C, h w) float32 and labels (N, H W) uint8."""
    if case.interpolates:
        logits, labels = make(case.of_logits())
        return logits, _enlarge(labels, case)
    source, area = _Source(case), case.height * case.width
    logits = np.empty((case.images, case.classes, area), np.float32)
    labels = np.empty((case.images, area), np.uint8)
    for image in range(case.images):
        for begin in range(0, area, PIECE):
            end = min(begin + PIECE, area)
            pixel = np.arange(image * area + begin, image * area + end, dtype=np.uint64)
            losses, labels[image, begin:end] = source.losses(pixel)
            logits[image, :, begin:end] = source.logits(pixel, losses, labels[image, begin:end])
    return logits, labels


def _enlarge(labels, case):
    """Each pixel's label is that of the logit that it lies on."""
    height, width = case.logits_size
    rows = np.arange(case.height) * height // case.height
    columns = np.arange(case.width) * width // case.width
    small = labels.reshape(case.images, height, width)
    return np.ascontiguousarray(small[:, rows[:, None], columns]).reshape(case.images, -1)
