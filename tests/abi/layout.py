#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A table in C of what a header's programs have compiled in: where each field of its structs lies, the size of those
that never grow, and the enumerators.

usage: layout.py CLMP.H LAYOUT.c      to be compiled with -DLAYOUT=<the table's name>, and any header's folder
"""
import re
import sys

FIXED = ("tuning", "buffer", "result")


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    rows = []
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, re.S):
        for declaration in filter(str.strip, body.split(";")):
            for declarator in declaration.split(","):
                field = re.search(r"(\w+)\s*(?:\[\w+\])?\s*$", declarator).group(1)
                rows.append(f'{{"{name}.{field}", offsetof({name}, {field}), sizeof((({name} *)0)->{field})}}')
    structs = len(rows)
    for name, body in re.findall(r"typedef enum (\w+) \{(.*?)\} \1;", text, re.S):
        rows.append(f'{{"{name}", 0, sizeof({name})}}')
        for constant in re.findall(r"(\w+)\s*=", body):
            rows.append(f'{{"{constant}", (size_t){constant}, 0}}')
    if structs == 0 or len(rows) == structs or len(rows) < 100:
        sys.exit(f"{sys.argv[1]}: only {len(rows)} fields and enumerators found")
    rows += [f'{{"clmp_{name}", 0, sizeof(clmp_{name})}}' for name in FIXED]
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write('/* Written by tests/abi/layout.py; do not edit. */\n#include "clmp/clmp.h"\n\n#include "layout.h"\n\n')
        file.write("const struct layout_row LAYOUT[] = {\n    " + ",\n    ".join(rows + ["{0, 0, 0}"]) + "};\n")


main()
