#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns kernel files into one C file of data: each .cl with the .clh files it includes in their places, once each.

usage: embed.py OUT.c ARRAY FILE.cl... [--joined NAME+NAME...]

A name of several of these files makes one source of them: compilers read a long header of their own for each program.
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


def text(paths):
    """The lines of files, one after the other, with what they include once."""
    seen = set(paths)
    return "".join(line for path in paths for line in expand(path, seen))


def main():
    arguments = sys.argv[3:]
    at = arguments.index("--joined") if "--joined" in arguments else len(arguments)
    files = {os.path.splitext(os.path.basename(path))[0]: path for path in arguments[:at]}
    sources = {name: [path] for name, path in files.items()}
    sources |= {joined: [files[name] for name in joined.split("+")] for joined in arguments[at + 1:]}
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write('/* Written by kernels/embed.py; do not edit. */\n#include "core/source.h"\n')
        table = ""
        for name, paths in sources.items():
            data = text(paths).encode()
            rows = (", ".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24))
            variable = name.replace("+", "_and_") + "_text"
            file.write(f"\nstatic const char {variable}[] = {{\n    " + ",\n    ".join(rows) + ", 0};\n")
            table += f'    {{"{name}", {variable}, {len(data)}}},\n'
        file.write(f"\nconst struct clmp_source {sys.argv[2]}[] = {{\n{table}    {{0, 0, 0}}}};\n")


main()
