#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clmp with --mpi prints the same bytes for any number of processes, and ends them all where one fails.

usage: check_mpi_cli.py CLMP MPI.SH FOLDER     MPIEXEC: the launcher; prints Check's line of counts
"""
import os
import random
import shutil
import struct
import subprocess
import sys

from counted import check, report

CLMP, LAUNCH, FOLDER = (os.path.abspath(path) for path in sys.argv[1:4])
FILES, CLASSES, HEIGHT, WIDTH = 5, 4, 9, 14


def npy(path, kind, shape, data):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def run(processes, *arguments):
    command = [CLMP, *arguments] if processes == 0 else ["sh", LAUNCH, str(processes), CLMP, *arguments, "--mpi"]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=240)


def make_files():
    """Files of 1 to 3 images; the second's labels are all ignored."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    chance = random.Random(7)
    with open(os.path.join(FOLDER, "list.txt"), "w", encoding="ascii") as pairs:
        for i in range(FILES):
            images = 1 + i % 3
            logits = [chance.gauss(0, 3) for _ in range(images * CLASSES * HEIGHT * WIDTH)]
            labels = [255 if i == 1 else chance.choice([0, 1, 1, 2, 3, 255])
                      for _ in range(images * HEIGHT * WIDTH)]
            npy(os.path.join(FOLDER, f"x{i}.npy"), "<f4", (images, CLASSES, HEIGHT, WIDTH),
                struct.pack(f"<{len(logits)}f", *logits))
            npy(os.path.join(FOLDER, f"y{i}.npy"), "|u1", (images, HEIGHT, WIDTH), bytes(labels))
            pairs.write(f"x{i}.npy y{i}.npy\n")


def same_for_any_number():
    labels = [f"y{i}.npy" for i in range(FILES)]
    for counts, arguments in (([1, 2, 3], ["loss", "--list", "list.txt", "--pool", "list", "--json"]),
                              ([3], ["loss", "--list", "list.txt", "--pool", "list", "--scope", "image", "--json"]),
                              ([2], ["loss", "--list", "list.txt", "--pool", "list", "--weighting", "balanced"]),
                              ([2, 3], ["eval", "--list", "list.txt", "--json"]),
                              ([3], ["class-weights", *labels, "--json"])):
        alone = run(0, *arguments)
        check(alone.returncode == 0 and alone.stdout, f"{arguments}: {alone.stderr!r}")
        for processes in counts:
            many = run(processes, *arguments)
            check(many.returncode == 0 and many.stdout == alone.stdout,
                  f"{arguments} on {processes}: {many.stdout!r} {many.stderr!r}, expected {alone.stdout!r}")


def more_processes_than_files():
    """Who has no file counts nothing; a batch needs an image on each."""
    for arguments in (["eval", "x0.npy", "y0.npy", "--json"], ["class-weights", "y0.npy", "--json"]):
        check(run(3, *arguments).stdout == run(0, *arguments).stdout, str(arguments))
    many = run(FILES + 1, "loss", "--list", "list.txt", "--pool", "list")
    check(many.returncode == 2 and b"expected at most one for each" in many.stderr, repr(many))


def one_that_fails_ends_all():
    with open(os.path.join(FOLDER, "bad.txt"), "w", encoding="ascii") as pairs:
        pairs.write("x0.npy y0.npy\nx2.npy y2.npy\nx3.npy none.npy\n")
    for arguments in (["loss", "--list", "bad.txt", "--pool", "list"], ["eval", "--list", "bad.txt"]):
        many = run(2, *arguments)
        check(many.returncode == 2 and b"rank 1 of 2: bad.txt, line 3: " in many.stderr and not many.stdout,
              f"{arguments}: {many!r}")


def written_once():
    alone = run(0, "class-weights", "y0.npy", "y2.npy", "-o", "alone.npy")
    many = run(2, "class-weights", "y0.npy", "y2.npy", "-o", "many.npy")
    check(alone.returncode == 0 and many.returncode == 0, repr(many))
    with open(os.path.join(FOLDER, "alone.npy"), "rb") as one, open(os.path.join(FOLDER, "many.npy"), "rb") as other:
        check(one.read() == other.read(), "the class weights that are written")


make_files()
same_for_any_number()
more_processes_than_files()
one_that_fails_ends_all()
written_once()
report()
