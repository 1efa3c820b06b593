"""The problems that peers.py measures: those of bench_cases.c.

SPDX-License-Identifier: Apache-2.0
"""

from typing import NamedTuple

IGNORED = 255


class Case(NamedTuple):
    name: str
    images: int
    classes: int
    height: int
    width: int
    data: str = "trained"

    @property
    def pixels(self):
        return self.images * self.height * self.width


CASES = [
    Case("cityscapes", 1, 19, 1024, 2048),
    Case("crops", 4, 19, 769, 769),
    Case("voc", 8, 21, 512, 512),
    Case("ade", 2, 150, 512, 512),
    Case("binary", 1, 2, 1024, 1024),
    Case("small", 1, 19, 128, 256),
    Case("equal", 1, 19, 1024, 2048, "equal"),
    Case("sorted-adversarial", 1, 19, 1024, 2048, "sorted"),
]


def find(name):
    """The case of this name, or None."""
    return next((case for case in CASES if case.name == name), None)
