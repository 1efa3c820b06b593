#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the sums over ranks add to a step of loss max-pooling, on paper, up to 4096 ranks.

usage: model.py [--output ranks.png]     (python3-matplotlib)

A step adds five messages over R ranks: 16 R bytes, three times 49,160 bytes, and 8 bytes (docs/ranks.md).

    one allreduce of n bytes    min(log2 R (2 a + n b), 2 log2 R a + 2 (R - 1) / R n b)

which is recursive doubling for short messages, and a reduce-scatter with an allgather (Rabenseifner) for long ones; a is
the latency of one message and b the time of a byte.  A device adds its own: each of the five messages waits for the device once,
and copies the bins there and back.  All ranks are taken to be there at the same time: who comes late is waited for, with any
loss of a batch.  Numbers are assumptions, but for the measured points: networks of two kinds, and a wait of 20 us on a GPU.
"""
import argparse
import math

NETWORKS = {  # latency s, bytes a second
    "InfiniBand, 100 Gbit/s": (2e-6, 12.5e9),
    "Ethernet, 25 Gbit/s, TCP": (25e-6, 3.1e9),
}
BINS, MESSAGES, WAIT, COPY = 49160, 3, 20e-6, 12e9  # bytes, of bins; s a message; bytes a second between host and device
STEPS = (0.1, 0.3)  # s: a training step of a network on its GPU, which the sums are set against


def allreduce(ranks, size, latency, bandwidth):
    if ranks == 1:
        return 0.0
    rounds = math.ceil(math.log2(ranks))
    doubling = rounds * (latency + size / bandwidth)
    scattered = 2 * rounds * latency + 2 * (ranks - 1) / ranks * size / bandwidth
    return min(doubling, scattered)


def added(ranks, latency, bandwidth, bins=BINS, messages=MESSAGES):
    """Seconds that a step takes longer than on one rank."""
    sums = (allreduce(ranks, 16 * ranks, latency, bandwidth) + messages * allreduce(ranks, bins, latency, bandwidth)
            + allreduce(ranks, 8, latency, bandwidth))
    return sums + messages * 2 * bins / COPY + (messages + 2) * WAIT


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", help="a picture, PNG")
    options = parser.parse_args()
    sizes = [2 ** i for i in range(1, 13)]
    rows = {}
    print(f"{'ranks':>6}" + "".join(f"{name:>28}" for name in NETWORKS) + "   ms a step; in brackets two messages of 2^16 bins")
    for ranks in sizes:
        cells = ""
        for name, network in NETWORKS.items():
            now = 1e3 * added(ranks, *network)
            # fewer rounds: 16 bits of the key each, 24 bytes a bin, of which nothing is left out
            fewer = 1e3 * added(ranks, *network, bins=24 * 2 ** 16, messages=2)
            rows.setdefault(name, []).append(now)
            cells += f"{now:>17.2f} ({fewer:>6.2f})  "
        print(f"{ranks:>6}{cells}")
    for step in STEPS:
        worst = max(row[-1] for row in rows.values())
        print(f"at {sizes[-1]} ranks at most {100 * worst / (1e3 * step):.1f} % of a training step of {step:g} s")
    if options.output:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
        figure, axes = pyplot.subplots(figsize=(9, 5), dpi=200)
        for (name, row), colour in zip(rows.items(), ("#0072B2", "#E69F00")):
            axes.plot(sizes, row, "o-", color=colour, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("ranks")
        axes.set_ylabel("ms that a step takes longer (model)")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(options.output)


main()
