#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The header of a later version: each struct that may grow has two fields more.

usage: later.py CLMP.H LATER.H
"""
import sys

GROWING = ("context_params", "plan_params", "buffers", "class_weights_params", "ranks", "device_info", "metrics")


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        text = file.read()
    for name in GROWING:
        end = f"\n}} clmp_{name};\n"
        if text.count(end) != 1:
            sys.exit(f"{sys.argv[1]}: there are {text.count(end)} ends of clmp_{name}, expected 1")
        text = text.replace(end, "\n    uint64_t later_1, later_2;" + end)
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write(text)


main()
