#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rooms of the host include one way only, and no two files include each other, by whatever way round.

usage: check_rooms.py ROOT

A file and the header of its name are one.  What a file takes is what it includes: of headers of its own room, and of the
rooms that stand before it in ROOMS.
"""
import os
import re
import sys

# a room, and the rooms whose headers it may include besides its own
ROOMS = {
    "host/core": [],
    "host/plan": ["host/core"],
    "host/stages": ["host/core", "host/plan"],
    "host/head": ["host/core"],
    "host/mpi": ["host/core"],
    "host/cli": ["host/core"],
    "host/train": ["host/core", "host/cli"],
    "bench/stages": ["host/core", "host/cli"],
    "bench/ranks": ["host/core", "host/cli"],
    "bench/demo": ["host/core", "host/cli"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def read(root):
    """For every file its room, and the files it includes, by paths from the root."""
    files = {}
    for room in ROOMS:
        for name in sorted(os.listdir(os.path.join(root, room))):
            if name.endswith((".c", ".h")):
                files[f"{room}/{name}"] = room
    found = {}
    for path, room in files.items():
        with open(os.path.join(root, path), encoding="ascii") as file:
            text = file.read()
        found[path] = []
        for name in INCLUDE.findall(text):
            places = [f"{room}/{name}", f"host/{name}"] + [f"{other}/{name}" for other in ROOMS[room]]
            found[path] += [place for place in places if place in files][:1]
            if not any(place in files for place in places) and not name.startswith("clmp/") and not name.endswith(".clh"):
                found[path].append(f"nowhere/{name}")
    return files, found


def unit(path):
    return path.rsplit(".", 1)[0]


def circles(found):
    """The circles of files, a .c and a .h of one name taken together."""
    edges = {}
    for path, includes in found.items():
        for other in includes:
            if unit(other) != unit(path):
                edges.setdefault(unit(path), set()).add(unit(other))
    state, stack, rounds = {}, [], []

    def visit(node):
        state[node] = 1
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if state.get(other) == 1:
                rounds.append(" -> ".join(stack[stack.index(other):] + [other]))
            elif other not in state:
                visit(other)
        stack.pop()
        state[node] = 2

    for node in sorted(edges):
        if node not in state:
            visit(node)
    return rounds


def main():
    files, found = read(sys.argv[1])
    wrong = []
    for path, includes in found.items():
        for other in includes:
            room = other.rsplit("/", 1)[0]
            if room != files[path] and room not in ROOMS[files[path]]:
                wrong.append(f"{path} includes {other}, which {files[path]} may not")
    wrong += [f"files include each other: {around}" for around in circles(found)]
    print("\n".join(wrong))
    print(f"100%: Checks: {len(files)}, Failures: {len(wrong)}, Errors: 0")
    return 1 if wrong or len(files) < 50 else 0


sys.exit(main())
