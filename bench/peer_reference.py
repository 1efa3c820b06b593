"""What the losses and gradients are, in long double, for peers.py to say who is right.

SPDX-License-Identifier: Apache-2.0

From the definitions, each by itself: softmax cross-entropy relative to the largest logit, with log1p of the other
classes; loss max-pooling by sorting, from equations (2) to (5) of the paper; OHEM and Lovasz-Softmax as peer_torch.py
states them.  numpy's longdouble has 64 bits of mantissa on x86.

Gradients are not kept in long double, they would be gigabytes: largest_errors() forms them piece by piece.
"""

from typing import NamedTuple, Optional

import numpy as np

PIECE = 1 << 16  # pixels


class Truth(NamedTuple):
    """One loss.  Its gradient is factor_u (softmax_c - [c = label]), or that through d loss / d softmax."""

    loss: np.longdouble
    factor: Optional[np.ndarray] = None  # (N, H W)
    by_softmax: Optional[np.ndarray] = None  # (N, C, H W)
    unit: Optional[np.longdouble] = None  # what gradients' errors are relative to; None: the largest gradient


def _pieces(shape):
    images, _, area = shape
    for image in range(images):
        for begin in range(0, area, PIECE):
            yield image, slice(begin, min(begin + PIECE, area))


class Reference:
    """logits (N, C, H W) float32, labels (N, H W) integer; `ignored` is the label of pixels that do not count."""

    def __init__(self, logits, labels, ignored):
        self.logits, self.valid = logits, labels != ignored
        self.labels = np.where(self.valid, labels, 0).astype(np.intp)
        self.losses = np.zeros(labels.shape, np.longdouble)
        for image, piece in _pieces(logits.shape):
            x = logits[image, :, piece].astype(np.longdouble)
            y, pixel = self.labels[image, piece], np.arange(x.shape[1])
            top = x.argmax(0)
            top = np.where(x[y, pixel] == x[top, pixel], y, top)
            largest = x[top, pixel]
            others = np.exp(x - largest)
            others[top, pixel] = 0.0
            self.losses[image, piece] = (largest - x[y, pixel]) + np.log1p(others.sum(0))
        self.n = int(self.valid.sum())

    def cross_entropy(self):
        """The mean over valid pixels."""
        factor = self.valid / np.longdouble(self.n)
        return Truth((self.losses * factor).sum(), factor)

    def max_pooling(self, p, support):
        """For 1 < p < infinity."""
        n, q = np.longdouble(self.n), np.longdouble(p) / (np.longdouble(p) - 1)
        m = max(np.longdouble(1), np.longdouble(support) * n)
        tau = (n / m) ** (1 / np.longdouble(p)) / n
        losses = self.losses[self.valid]
        v = np.sort(losses[losses > 0.0])
        if v.size <= m:
            alpha, weights = np.longdouble(0), tau * (self.losses > 0.0)
        else:
            power = (v / v[-1]) ** q
            below = np.cumsum(power)
            at_most = (v.size - 1 - np.arange(v.size)) + below / power  # eta at each loss
            i = int((at_most >= m).sum()) - 1
            alpha = v[i] * (below[i] / power[i] / (m - (v.size - 1 - i))) ** (1 / q)
            weights = tau * np.minimum(1.0, self.losses / alpha) ** (q - 1)
        above = losses[losses > alpha]
        loss = tau * (above.sum() + alpha * (m - above.size))
        return Truth(loss, weights * self.valid, unit=tau)

    def hard_examples(self, threshold, kept):
        """OHEM: the mean over the pixels whose label has less probability than the larger of two thresholds."""
        probability = np.exp(-self.losses[self.valid])
        order = np.sort(probability)
        hard = self.valid & (np.exp(-self.losses) < max(np.longdouble(threshold), order[min(kept, self.n - 1)]))
        factor = hard / np.longdouble(max(1, hard.sum()))
        return Truth((self.losses * factor).sum(), factor)

    def lovasz(self):
        """Multi-class, over the classes that are present."""
        present = np.unique(self.labels[self.valid])
        by_softmax = np.zeros(self.logits.shape, np.longdouble)
        total = np.longdouble(0)
        for c in present:
            is_label = (self.labels == c)[self.valid]
            errors = np.where(self.labels == c, -np.expm1(-self.losses), self._softmax(c))[self.valid]
            order = np.argsort(-errors, kind="stable")
            foreground = is_label[order].astype(np.longdouble)
            count = foreground.sum()
            jaccard = 1 - (count - np.cumsum(foreground)) / (count + np.cumsum(1 - foreground))
            step = np.diff(jaccard, prepend=np.longdouble(0))
            total += (errors[order] * step).sum()
            slope = np.empty_like(step)
            slope[order] = step
            by_softmax[:, c][self.valid] = np.where(is_label, -slope, slope) / present.size
        return Truth(total / present.size, by_softmax=by_softmax)

    def _softmax(self, c):
        at_label = np.take_along_axis(self.logits, self.labels[:, None], 1)[:, 0]
        return np.exp((self.logits[:, c] - at_label.astype(np.longdouble)) - self.losses)

    def largest_errors(self, gradients):
        """For a list of (truth, gradient): the largest error of each, in its truth's unit."""
        error, largest = np.zeros((2, len(gradients)), np.longdouble)
        for image, piece in _pieces(self.logits.shape):
            y, losses = self.labels[image, piece], self.losses[image, piece]
            pixel = np.arange(y.size)
            x = self.logits[image, :, piece].astype(np.longdouble)
            softmax = np.exp((x - x[y, pixel]) - losses)
            slope = softmax.copy()
            slope[y, pixel] = np.expm1(-losses)
            exact = {}
            for i, (truth, gradient) in enumerate(gradients):
                if id(truth) not in exact:
                    exact[id(truth)] = self._gradient(truth, image, piece, softmax, slope)
                error[i] = max(error[i], np.abs(gradient[image, :, piece] - exact[id(truth)]).max())
                largest[i] = max(largest[i], np.abs(exact[id(truth)]).max())
        return [
            float(e / (truth.unit if truth.unit is not None else high))
            for e, high, (truth, _) in zip(error, largest, gradients)
        ]

    def _gradient(self, truth, image, piece, softmax, slope):
        if truth.factor is not None:
            return slope * truth.factor[image, piece]
        by = truth.by_softmax[image, :, piece]
        return softmax * (by - (softmax * by).sum(0))
