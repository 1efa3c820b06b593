"""Words for people, and how a run ends.

SPDX-License-Identifier: Apache-2.0
"""

import sys

DEVICE_FAILED, BAD_USE = 1, 2  # exit status


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def say(text):
    """Progress, for who watches."""
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def warn(text):
    say("")
    print(f"peers.py: {text}", file=sys.stderr)
