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
    logits_height: int = 0  # of logits that are interpolated; 0: height, width
    logits_width: int = 0
    align_corners: bool = False

    @property
    def pixels(self):
        return self.images * self.height * self.width

    @property
    def interpolates(self):
        return self.logits_height != 0

    @property
    def logits_size(self):
        return (self.logits_height, self.logits_width) if self.interpolates else (self.height, self.width)

    @property
    def logits(self):
        """Their number."""
        return self.images * self.classes * self.logits_size[0] * self.logits_size[1]

    def of_logits(self):
        """The same problem at the size of its logits."""
        height, width = self.logits_size
        return self._replace(height=height, width=width, logits_height=0, logits_width=0)


CASES = [
    Case("cityscapes", 1, 19, 1024, 2048),
    Case("crops", 4, 19, 769, 769),
    Case("voc", 8, 21, 512, 512),
    Case("ade", 2, 150, 512, 512),
    Case("binary", 1, 2, 1024, 1024),
    Case("small", 1, 19, 128, 256),
    Case("equal", 1, 19, 1024, 2048, "equal"),
    Case("sorted-adversarial", 1, 19, 1024, 2048, "sorted"),
    Case("upsample4", 1, 19, 1024, 2048, "trained", 256, 512),
    Case("upsample8", 1, 19, 1024, 2048, "trained", 128, 256),
    Case("upsample-odd", 1, 19, 769, 769, "trained", 97, 97, True),
    Case("upsample-ade", 2, 150, 512, 512, "trained", 128, 128),
    Case("tiny", 1, 19, 16, 16),  # what a call costs, which clmp-bench does not ask
    Case("upsample-small", 1, 5, 67, 90, "trained", 17, 23, True),  # for tests; clmp-bench has no such case
]


def find(name):
    """The case of this name, or None."""
    return next((case for case in CASES if case.name == name), None)
