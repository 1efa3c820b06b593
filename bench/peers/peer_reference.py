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
        for image, piece in self._pieces():
            x = self._x(image, piece)
            y, pixel = self.labels[image, piece], np.arange(x.shape[1])
            top = x.argmax(0)
            top = np.where(x[y, pixel] == x[top, pixel], y, top)
            largest = x[top, pixel]
            others = np.exp(x - largest)
            others[top, pixel] = 0.0
            self.losses[image, piece] = (largest - x[y, pixel]) + np.log1p(others.sum(0))
        self.n = int(self.valid.sum())

    def _pieces(self):
        return _pieces(self.logits.shape)

    def _x(self, image, piece):
        """The logits (C, count) of a piece."""
        return self.logits[image, :, piece].astype(np.longdouble)

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

    def _slopes(self, image, piece):
        """softmax (C, count), and softmax_c - [c = label], without cancellation."""
        y, losses = self.labels[image, piece], self.losses[image, piece]
        pixel = np.arange(y.size)
        x = self._x(image, piece)
        softmax = np.exp((x - x[y, pixel]) - losses)
        slope = softmax.copy()
        slope[y, pixel] = np.expm1(-losses)
        return softmax, slope

    def largest_errors(self, gradients):
        """For a list of (truth, gradient): the largest error of each, in its truth's unit."""
        error, largest = np.zeros((2, len(gradients)), np.longdouble)
        for image, piece in self._pieces():
            softmax, slope = self._slopes(image, piece)
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


class _Axis:
    """How the pixels of an axis lie between its logits: exact ratios, as PyTorch defines interpolate()."""

    def __init__(self, logits, pixels, align_corners):
        pixel = np.arange(pixels, dtype=np.int64)
        if align_corners:
            part, whole = pixel * (logits - 1), max(pixels - 1, 1)
        else:
            part, whole = np.maximum((2 * pixel + 1) * logits - pixels, 0), 2 * pixels
        self.logits, self.before = logits, part // whole
        self.after = np.minimum(self.before + 1, logits - 1)
        self.share = (part % whole).astype(np.longdouble) / whole

    def adjoint(self, g, pixels=slice(None)):
        """Sums (.., pixels) to (.., logits)."""
        sums = np.zeros(g.shape[:-1] + (self.logits,), np.longdouble)
        share = self.share[pixels]
        for at, weight in ((self.before[pixels], 1 - share), (self.after[pixels], share)):
            begins = np.flatnonzero(np.diff(at, prepend=-1))  # runs of one logit: they increase
            sums[..., at[begins]] += np.add.reduceat(g * weight, begins, axis=-1)
        return sums


class Interpolated(Reference):
    """The same for logits (N, C, h, w) that are interpolated to labels (N, H, W)."""

    def __init__(self, logits, labels, ignored, align_corners):
        self.height, self.width = labels.shape[1:]
        self.rows = _Axis(logits.shape[2], self.height, align_corners)
        self.columns = _Axis(logits.shape[3], self.width, align_corners)
        super().__init__(logits, labels.reshape(len(labels), -1), ignored)

    def _pieces(self):
        rows = max(1, PIECE // self.width)
        for image in range(len(self.logits)):
            for begin in range(0, self.height, rows):
                yield image, slice(begin * self.width, min(begin + rows, self.height) * self.width)

    def _row_range(self, piece):
        return slice(piece.start // self.width, piece.stop // self.width)

    def _x(self, image, piece):
        rows, columns = self._row_range(piece), self.columns
        z = self.logits[image].astype(np.longdouble)
        below = self.rows.share[rows, None]
        z = z[:, self.rows.before[rows]] * (1 - below) + z[:, self.rows.after[rows]] * below
        x = z[..., columns.before] * (1 - columns.share) + z[..., columns.after] * columns.share
        return x.reshape(len(x), -1)

    def largest_errors(self, gradients):
        """As of Reference; an error is one of each logit, of which many pixels may make more: relative to those."""
        exact = {id(truth): (truth, np.zeros(self.logits.shape, np.longdouble)) for truth, _ in gradients}
        for image, piece in self._pieces():
            rows = self._row_range(piece)
            softmax, slope = self._slopes(image, piece)
            for truth, sums in exact.values():
                g = self._gradient(truth, image, piece, softmax, slope)
                g = self.columns.adjoint(g.reshape(len(g), -1, self.width))
                sums[image] += self.rows.adjoint(g.swapaxes(1, 2), rows).swapaxes(1, 2)
        ones = [axis.adjoint(np.ones(len(axis.share), np.longdouble)) for axis in (self.rows, self.columns)]
        share = ones[0][:, None] * ones[1]  # of pixels in each logit
        errors = []
        for truth, gradient in gradients:
            error = np.abs(gradient - exact[id(truth)][1])
            unit = share * truth.unit if truth.unit is not None else np.abs(exact[id(truth)][1]).max()
            errors.append(float((error / unit).max()))
        return errors
