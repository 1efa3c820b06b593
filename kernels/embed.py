#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns kernel files into one C file of data: each .cl with the .clh files it includes in their places, once each.

usage: embed.py OUT.c ARRAY FILE.cl...
"""
import os
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def expand(path, seen):
    """The lines of a file, includes in place, with #line so that a build log names the file that a person edits."""
    name = os.path.basename(path)
    yield f'#line 1 "{name}"\n'
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                yield line
                continue
            included = os.path.join(os.path.dirname(path), match.group(1))
            if included not in seen:
                seen.add(included)
                yield from expand(included, seen)
                yield f'#line {number + 1} "{name}"\n'
            else:
                yield "\n"


def main():
    out, array, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(out, "w", encoding="ascii") as file:
        file.write('/* Written by kernels/embed.py; do not edit. */\n#include "core/source.h"\n')
        names = []
        for path in paths:
            name = os.path.splitext(os.path.basename(path))[0]
            data = "".join(expand(path, {path})).encode()
            names.append((name, len(data)))
            rows = (", ".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24))
            file.write(f"\nstatic const char {name}_text[] = {{\n    " + ",\n    ".join(rows) + ", 0};\n")
        file.write(f"\nconst struct clmp_source {array}[] = {{\n")
        for name, length in names:
            file.write(f'    {{"{name}", {name}_text, {length}}},\n')
        file.write("    {0, 0, 0}};\n")


main()
