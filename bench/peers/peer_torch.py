"""The peers: what one writes with torch for the same losses, from their published definitions.

SPDX-License-Identifier: Apache-2.0

A peer's step() computes a loss and its gradient with respect to the logits, which stay the same tensor from step to
step.  Labels are int64, as cross_entropy wants them.  What needs no gradient runs without one.

    cross-entropy          F.cross_entropy, the mean over valid pixels, and backward.
    max-pooling, serial    As public implementations of loss max-pooling do it: losses of cross_entropy, sorted on the
                           device; then one core finds the threshold and the weights by a serial float32 loop.  That
                           loop is compiled here, too (peer_serial.c): in Python it would look bad for no good reason.
    max-pooling, cumsum    The same without a loop, in double: a sort, then the paper's eta at every loss at once by a
                           cumulated sum; the threshold in closed form, and weights from it without the sort's
                           indices.  Powers are relative to the m-th largest loss: alpha^q is at most n times as much,
                           so that none that counts overflows or vanishes.
    OHEM                   Online hard example mining as segmentation toolboxes have it (mmsegmentation: thresh 0.7,
                           min_kept 100000 an image).  The mean loss over the pixels whose label has a probability
                           below max(thresh, the probability at position min_kept of the sorted ones).
    Lovasz-Softmax         Berman, Triki, Blaschko, CVPR 2018, multi-class over the classes that are present: the
                           Lovasz extension of the Jaccard loss, by one sort for each class.

With torch 2 the losses without a serial part come once more, through torch.compile.
"""

import ctypes
import math
from typing import Callable, NamedTuple

import torch
import torch.nn.functional as F

THRESHOLD, MIN_KEPT = 0.7, 100000


class Peer(NamedTuple):
    name: str
    definition: str  # of peer_reference.py: cross_entropy, max_pooling, hard_examples, lovasz
    loss: Callable  # from logits to a scalar that has a gradient


class Problem:
    """logits (N, C, h, w) float32 and labels (N, H, W) uint8 of numpy, on torch's device.

    Logits smaller than the labels are interpolated in each step."""

    def __init__(self, logits, labels, ignored, p, support, align_corners=False):
        self.size = labels.shape[1:] if labels.shape[1:] != logits.shape[2:] else None
        self.align_corners = align_corners
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.logits = torch.from_numpy(logits).to(self.device).requires_grad_()
        self.bytes = torch.from_numpy(labels).to(self.device)
        self.labels = self.bytes.to(torch.int64)
        self.ignored, self.p, self.support = ignored, p, support

    def step_of(self, module):
        """Loss and gradient of a module that interpolates by itself, and takes labels of any type."""
        self.logits.grad = None
        value = module(self.logits, self.bytes)
        value.backward()
        return value.detach(), self.logits.grad

    def step(self, loss):
        """A loss and its gradient, as tensors."""
        self.logits.grad = None
        logits = self.logits
        if self.size is not None:
            logits = F.interpolate(logits, size=self.size, mode="bilinear", align_corners=self.align_corners)
        value = loss(logits)
        del logits
        value.backward()
        return value.detach(), self.logits.grad

    def peak_bytes(self, loss):
        """The most that the tensors of a step take, logits and labels left out; None where torch does not tell."""
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.step(loss)
            return torch.cuda.max_memory_allocated() - before
        profiler, now, most = torch.profiler, 0, 0
        try:
            with profiler.profile(activities=[profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
                self.step(loss)
            for event in profile.profiler.kineto_results.events():  # in order of time
                if event.name() == "[memory]":
                    now += event.nbytes()
                    most = max(most, now)
        except (AttributeError, RuntimeError):
            return None
        return most or None

    def finish(self):
        """Waits for what is still running."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def losses(self, logits):
        return F.cross_entropy(logits, self.labels, ignore_index=self.ignored, reduction="none")

    # ------------------------------------------------------------------------------------------------------- the peers

    def cross_entropy(self, logits):
        return F.cross_entropy(logits, self.labels, ignore_index=self.ignored)

    def max_pooling_serial(self, serial):
        """`serial`: peer_serial_weights()."""

        def loss(logits):
            losses = self.losses(logits)
            with torch.no_grad():
                valid = self.labels != self.ignored
                values, order = losses[valid].sort(descending=True)
                values, order = values.cpu(), order.cpu()
                weights = torch.empty_like(values)
                serial(values.data_ptr(), order.data_ptr(), values.numel(), self.p, self.support, weights.data_ptr())
                everywhere = torch.zeros_like(losses)
                everywhere[valid] = weights.to(self.device)
            return (everywhere * losses).sum()

        return loss

    def max_pooling_cumsum(self, logits):
        losses = self.losses(logits)
        with torch.no_grad():
            weights = self._weights(losses)
        return (weights * losses).sum()

    def _weights(self, losses):
        valid = losses[self.labels != self.ignored]
        n, p = valid.numel(), self.p
        q, m = p / (p - 1.0), max(1.0, self.support * n)
        tau = (n / m) ** (1.0 / p) / n
        v = valid.sort().values.double()
        hardest = v[n - math.ceil(m)]  # eta is at least m there
        if hardest == 0.0:
            return tau * (losses > 0.0)  # the p-norm bound is slack
        power = (v / hardest) ** q
        below = power.cumsum(0)
        above = torch.arange(n - 1, -1, -1, device=v.device)
        # eta decreases.  Where powers are 0 it is above m, where they are infinite below.
        i = (power == 0.0).sum() + (above + below / power >= m).sum() - 1
        alpha = v[i] * (below[i] / power[i] / (m - above[i])) ** (1.0 / q)
        return (tau * (losses.double() / alpha).clamp(max=1.0) ** (q - 1.0)).float()

    def hard_examples(self, logits):
        with torch.no_grad():
            valid = self.labels != self.ignored
            label = torch.where(valid, self.labels, 0)
            probability = logits.softmax(1).gather(1, label[:, None])[:, 0]
            ordered = probability[valid].sort().values
            least = ordered[min(MIN_KEPT * len(logits), ordered.numel() - 1)]
            hard = valid & (probability < least.clamp(min=THRESHOLD))
        losses = self.losses(logits)
        return (losses * hard).sum() / hard.sum()

    def lovasz(self, logits):
        valid = (self.labels != self.ignored).flatten()
        labels = self.labels.flatten()[valid]
        softmax = logits.softmax(1).transpose(0, 1).flatten(1)
        terms = []
        for c in labels.unique().tolist():
            foreground = (labels == c).float()
            errors, order = (foreground - softmax[c][valid]).abs().sort(descending=True)
            with torch.no_grad():
                in_order = foreground[order]
                count = in_order.sum()
                jaccard = 1.0 - (count - in_order.cumsum(0)) / (count + (1.0 - in_order).cumsum(0))
                jaccard[1:] = jaccard[1:] - jaccard[:-1]
            terms.append(errors.dot(jaccard))
        return torch.stack(terms).mean()


def peers(problem, serial_path):
    """A list of Peer; without Lovasz-Softmax where logits are interpolated, which peer_reference.py has not.

    serial_path: the built peer_serial.c, or None to do without that peer."""
    found = [Peer("cross-entropy", "cross_entropy", problem.cross_entropy)]
    if serial_path:
        serial = ctypes.CDLL(serial_path).peer_serial_weights
        serial.restype, pointer = None, ctypes.c_void_p
        serial.argtypes = [pointer, pointer, ctypes.c_int64, ctypes.c_float, ctypes.c_float, pointer]
        found.append(Peer("max-pooling, serial", "max_pooling", problem.max_pooling_serial(serial)))
    found += [
        Peer("max-pooling, cumsum", "max_pooling", problem.max_pooling_cumsum),
        Peer("OHEM", "hard_examples", problem.hard_examples),
    ]
    if problem.size is None:
        found.append(Peer("Lovasz-Softmax", "lovasz", problem.lovasz))
    if hasattr(torch, "compile"):
        found += [
            Peer(peer.name + ", compiled", peer.definition, torch.compile(peer.loss))
            for peer in found
            if not peer.name.endswith("serial")
        ]
    return found
