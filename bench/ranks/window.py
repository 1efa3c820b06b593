#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often the first round's bin of alpha is that of the step before: what guessing it would save over ranks.

usage: PYTHONPATH=build/python /usr/bin/python3 bench/ranks/window.py [--steps 400]     (sh tests/setup.sh peers)

A small network of three convolutions learns three classes of made-up images, 4 of 96 x 96 a step, by loss max-pooling.
Of each step alpha is kept; the first round tells eighths of octaves apart (bits 30 to 20 of its key).  A guess that holds
saves one of three messages, one that does not costs one more.
"""
import argparse

import numpy
import torch

from libclmp import torch as clmp_torch


def images(generator, count=4, size=96):
    """Discs on a gradient, of two kinds, with noise; the rare kind is small."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    pictures = torch.randn(count, 3, size, size, generator=generator) * 0.3 + rows / size
    labels = torch.zeros(count, size, size, dtype=torch.int64)
    for picture, label in zip(pictures, labels):
        for kind, radius in ((1, 18), (2, 5)):
            at = torch.randint(radius, size - radius, (2,), generator=generator)
            disc = (rows - at[0]) ** 2 + (columns - at[1]) ** 2 < radius ** 2
            label[disc] = kind
            picture[kind][disc] += 0.8
    return pictures, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    layers = [torch.nn.Conv2d(3, 16, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 5, padding=2),
              torch.nn.ReLU(), torch.nn.Conv2d(16, 3, 1)]
    network = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    loss = clmp_torch.LossMaxPooling()
    alphas = []
    for _ in range(options.steps):
        pictures, labels = images(generator)
        optimizer.zero_grad()
        value = loss(network(pictures), labels)
        value.backward()
        optimizer.step()
        alphas.append(loss.result.alpha)
    keys = numpy.array(alphas, dtype=numpy.float32).view(numpy.uint32) >> 20
    same = keys[1:] == keys[:-1]
    near = numpy.abs(keys[1:].astype(int) - keys[:-1].astype(int)) <= 1
    half = len(same) // 2
    print(f"steps {options.steps}, alpha {alphas[0]:.4g} to {alphas[-1]:.4g}")
    for name, held in (("its bin", same), ("it or a neighbour", near)):
        print(f"{name:>18}: first half {100 * held[:half].mean():.0f} %, second {100 * held[half:].mean():.0f} %")


main()
