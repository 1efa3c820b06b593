"""Beside what people use: segmentation_models_pytorch's losses, and a network of it that learns a brain scan.

SPDX-License-Identifier: Apache-2.0

Needs what `sh tests/setup.sh torch` installs, and the scan of Debian's mricron-data for the second.
"""

import gzip
import os
import struct
import unittest

import numpy as np
import segmentation_models_pytorch as smp
import torch
from support import SEED
from test_torch import step, tensors

from libclmp.torch import CrossEntropyLoss, FocalLoss, LossMaxPooling

SCAN = "/usr/share/mricron/templates"
STEPS, SIZE = 30, 96


def read_nifti(name):
    """A volume (z, y, x) of a NIfTI-1 file."""
    with gzip.open(os.path.join(SCAN, name)) as file:
        data = file.read()
    x, y, z = struct.unpack_from("<3h", data, 42)
    kind = {2: "<u1", 4: "<i2", 16: "<f4", 512: "<u2"}[struct.unpack_from("<h", data, 70)[0]]
    begin = int(struct.unpack_from("<f", data, 108)[0])
    return np.frombuffer(data, kind, x * y * z, begin).reshape(z, y, x)


def slices():
    """Images (N, 1, H, W) and labels (N, H, W), of the middle of the brain."""
    image, label = read_nifti("ch2.nii.gz"), read_nifti("aal.nii.gz")
    z = np.linspace(60, 110, 4).astype(int)
    y, x = (slice((n - SIZE) // 2, (n + SIZE) // 2) for n in image.shape[1:])
    images = torch.from_numpy(image[z][:, y, x].astype(np.float32))[:, None] / 128.0
    return images, torch.from_numpy(label[z][:, y, x].astype(np.int64))


class Toolboxes(unittest.TestCase):
    def test_focal_is_that_of_segmentation_models_pytorch(self):
        torch.manual_seed(SEED)
        many, labels = tensors((2, 5, 12, 13))
        one, half = tensors((2, 1, 12, 13))
        half = torch.where(half == 255, 255, (torch.rand(half.shape) < 0.3).long())
        each = (torch.rand(many.shape) < 0.3).long()  # they leave no pixel out of these
        for options in ({}, {"alpha": 0.25, "gamma": 1.5}):
            for mode, x, y in (("binary", one, half), ("multiclass", many, labels), ("multilabel", many, each)):
                found = step(FocalLoss(mode, **options), x, y)
                ignored = None if mode == "multilabel" else 255
                theirs = smp.losses.FocalLoss(mode, ignore_index=ignored, **options)
                for mine, other in zip(found, step(theirs, x, y)):
                    self.assertLess(float((mine - other).abs().max() / other.abs().max()), 1e-5, (mode, options))

    @unittest.skipUnless(os.path.exists(os.path.join(SCAN, "aal.nii.gz")), "no scan: Debian's mricron-data has it")
    def test_a_network_learns_with_each_loss(self):
        images, labels = slices()
        classes = int(labels.max()) + 1
        mean, pooled = CrossEntropyLoss(), LossMaxPooling()
        # What a network can come to that knows how often each class is, and does not look at its image: for the mean the
        # least of all constant predictions, the entropy of the classes.
        share = torch.bincount(labels.flatten(), minlength=classes).double() / labels.numel()
        blind = share.clamp(min=1e-9).log().float().view(1, -1, 1, 1).expand(len(labels), -1, *labels.shape[1:])
        entropy = float(-torch.xlogy(share, share).sum())
        self.assertAlmostEqual(mean(blind, labels).item(), entropy, 4)
        # Weights are at most tau, which is 1 / n times this: so much larger a pooled loss may be than the mean.
        largest = pooled._fields["support"] ** (-1 / pooled._fields["p"])
        values = {}
        for name, criterion in (("torch", torch.nn.CrossEntropyLoss()), ("same", mean), ("pooled", pooled)):
            torch.manual_seed(SEED)
            net = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=classes)
            optimizer = torch.optim.Adam(net.parameters(), 1e-3)
            values[name] = []
            for _ in range(STEPS):
                optimizer.zero_grad()
                logits = net(images)
                loss = criterion(logits, labels)
                loss.backward()
                self.assertTrue(all(bool(torch.isfinite(one.grad).all()) for one in net.parameters()), name)
                optimizer.step()
                values[name].append(loss.item())
                plain = mean(logits.detach(), labels).item()
                if name == "pooled":  # the maximum over weights, of which equal ones are one choice
                    self.assertGreaterEqual(loss.item(), plain * (1 - 1e-6))
                    self.assertLessEqual(loss.item(), plain * largest * (1 + 1e-6))
            bound = criterion(blind, labels).item()
            print(f"{name}: {values[name][0]:.4f} to {values[name][-1]:.4f} in {STEPS} steps, blind {bound:.4f}")
            self.assertLess(values[name][-1], bound, name)
        # The same loss trains the same way, as far as sums in another order let it.
        np.testing.assert_allclose(values["same"][:5], values["torch"][:5], rtol=1e-3)


if __name__ == "__main__":
    unittest.main()
