#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clmp-train with --mpi trains the same network for any number of processes, and ends them all where one fails.

usage: check_mpi_train.py CLMP-TRAIN MPI.SH FOLDER     MPIEXEC: the launcher; prints Check's line of counts

The processes' caches of compiled kernels are copies of the first one's, as compiling takes longest.
"""
import csv
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

from counted import check, report

TRAIN, LAUNCH, FOLDER = map(os.path.abspath, sys.argv[1:4])
STEPS, BATCH, WIDTH, HEIGHT = 10, 6, 40, 32
CACHE = os.path.abspath(os.environ.get("POCL_CACHE_DIR", os.path.join(FOLDER, "cache")))
LIMIT = 900


def png(path, kind, rows):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, kind, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))


def make_data():
    """Sky above ground above a wall, in noise; labels of the first image are all ignored but for a row."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    chance = random.Random(3)
    for split, count in (("train", 7), ("val", 3)):
        for end in ("", "annot"):
            os.makedirs(os.path.join(FOLDER, "data", split + end))
        for i in range(count):
            top, left = chance.randrange(8, 24), chance.randrange(8, 30)
            colours, labels = [], []
            for y in range(HEIGHT):
                classes = [0 if y <= top else 2 if x > left else 1 for x in range(WIDTH)]
                colours.append(bytes(min(255, max(0, int(chance.gauss((60, 120, 200)[(c + k) % 3], 25))))
                                     for c in classes for k in range(3)))
                labels.append(bytes(255 if chance.random() < .05 or (split == "train" and i == 0 and y != 4) else c
                                    for c in classes))
            png(os.path.join(FOLDER, "data", split, f"{i}.png"), 2, colours)
            png(os.path.join(FOLDER, "data", split + "annot", f"{i}.png"), 0, labels)
    with open(os.path.join(FOLDER, "data", "classes.txt"), "w", encoding="ascii") as file:
        file.write("sky 10 20 30\nground 40 50 60\nwall 70 80 90\nignore 255\n")


def command(processes, output, data="data", batch=BATCH, more=()):
    arguments = [TRAIN, "run", data, "-o", output, "--steps", str(STEPS), "--batch", str(batch), "--scale", "0.5,2",
                 "--colour", "0.5", "--validate", "4", *more]
    return arguments if processes == 0 else ["sh", LAUNCH, str(processes), *arguments, "--mpi"]


def environment(processes):
    for rank in range(1, processes):
        if os.path.isdir(os.path.join(CACHE, "0")) and not os.path.isdir(os.path.join(CACHE, str(rank))):
            shutil.copytree(os.path.join(CACHE, "0"), os.path.join(CACHE, str(rank)))
    own = CACHE if processes > 0 else os.path.join(CACHE, "0")
    os.makedirs(own, exist_ok=True)
    return dict(os.environ, POCL_CACHE_DIR=own)


def run(processes, *arguments, **named):
    return subprocess.run(command(processes, *arguments, **named), cwd=FOLDER, capture_output=True, timeout=LIMIT,
                          env=environment(processes))


def read(*path):
    with open(os.path.join(FOLDER, *path), "rb") as file:
        return file.read()


def losses(output):
    return [float(row["loss"]) for row in csv.DictReader(read(output, "log.csv").decode().splitlines())]


def lines_of_errors(done):
    return [line for line in done.stderr.decode().splitlines() if line.startswith("clmp-train: ")]


def same_for_any_number():
    for processes in (0, 1, 2, 3):
        done = run(processes, f"on{processes}")
        check(done.returncode == 0 and b"pixel accuracy" in done.stdout, repr(done))
    check(b"; on 3 processes" in done.stderr, repr(done.stderr))
    for name in ("network.ckpt", "log.csv"):
        for processes in (2, 3):
            check(read(f"on{processes}", name) == read("on1", name), f"{name} of {processes} processes")
    alone, shared = losses("on0"), losses("on1")
    check(len(alone) == STEPS and abs(alone[0] - shared[0]) <= 1e-5 * alone[0], f"first: {alone[0]} {shared[0]}")
    for mine, other in zip(alone, shared):
        check(abs(mine - other) <= 1e-4 * mine, f"without --mpi: {alone}, with it: {shared}")


def trains_of(pid):
    """The processes below this one that are clmp-train."""
    found = []
    for child in subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True,
                                check=False).stdout.split():
        try:
            name = os.path.basename(os.readlink(f"/proc/{int(child)}/exe"))
        except OSError:
            continue
        found += [int(child)] if name == "clmp-train" else trains_of(int(child))
    return found


def interrupted_and_resumed_by_others():
    launched = subprocess.Popen(command(2, "resumed"), cwd=FOLDER, env=environment(2), stderr=subprocess.PIPE,
                                stdout=subprocess.DEVNULL)
    begun = time.monotonic()
    while not os.path.exists(os.path.join(FOLDER, "resumed", "step-000001.png")) and launched.poll() is None and \
            time.monotonic() - begun < LIMIT:
        time.sleep(0.01)
    ranks = trains_of(launched.pid)
    check(len(ranks) == 2, f"{ranks}")
    if ranks:
        os.kill(ranks[-1], signal.SIGINT)  # one of them: all are to stop
    said = launched.communicate(timeout=LIMIT)[1]
    check(launched.returncode == 130 and said.count(b"interrupted; saved in resumed") == 1,
          f"{launched.returncode} {said}")
    check(not os.path.exists(os.path.join(FOLDER, "resumed", "result.json")), "there is a result")
    done = run(3, "resumed")
    check(done.returncode == 0, repr(done))
    for name in ("network.ckpt", "log.csv"):
        check(read("resumed", name) == read("on1", name), f"{name} of a run that another number of processes ended")


def complete_is_not_repeated():
    done = run(2, "on3")
    check(done.returncode == 0 and b"pixel accuracy" in done.stdout and b"a step" not in done.stderr, repr(done))


def one_that_fails_ends_all():
    shutil.copytree(os.path.join(FOLDER, "data"), os.path.join(FOLDER, "bad"))
    with open(os.path.join(FOLDER, "bad", "train", "5.png"), "r+b") as file:
        file.truncate(100)
    done = run(3, "failed", data="bad")  # 7 files: 3, 2, and 2
    words = lines_of_errors(done)
    check(done.returncode == 2 and len(words) == 1 and "rank 2 of 3: " in words[0] and "train/5.png" in words[0],
          repr(done))
    os.remove(os.path.join(FOLDER, "bad", "train", "5.png"))
    os.remove(os.path.join(FOLDER, "bad", "trainannot", "5.png"))
    os.remove(os.path.join(FOLDER, "bad", "valannot", "0.png"))
    done = run(2, "failed", data="bad")
    words = lines_of_errors(done)
    check(done.returncode == 2 and len(words) == 1 and "0.png" in words[0], repr(done))


def refused_by_all_with_one_line():
    done = run(3, "failed", batch=2)
    words = lines_of_errors(done)
    check(done.returncode == 2 and len(words) == 1 and "rank" not in words[0] and
          "expected at most 2, one for each image" in words[0], repr(done))
    done = run(2, "failed", more=["--weighting", "lmp:p=0"])
    words = lines_of_errors(done)
    check(done.returncode == 2 and len(words) == 1 and "rank" not in words[0], repr(done))


make_data()
for part in (same_for_any_number, complete_is_not_repeated, interrupted_and_resumed_by_others, one_that_fails_ends_all,
             refused_by_all_with_one_line):
    part()
report()
