#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines and branches of a folder's C files that a run reached, from gcov's counts of all programs and libraries.

usage: coverage.py BUILD FOLDER LEAST_LINES LEAST_BRANCHES     folder: without those within it; least: percent

Prints each file, then each line that was not reached, and each with a branch that was never taken.  The exit status is 1
where less was reached than asked for.
"""
import json
import os
import subprocess
import sys


def counts(build):
    """Of each object that ran: gcov's report of each file."""
    for folder, _, names in os.walk(build):
        for name in sorted(names):
            if name.endswith(".gcda"):
                path = os.path.join(folder, name)
                run = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", path], check=True,
                                     cwd=build, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                for text in run.stdout.splitlines():
                    yield from json.loads(text)["files"]


def collect(build, folder):
    """{file: {line: [executions, [count of each branch]]}}, summed over the objects that a file is compiled to."""
    files = {}
    for report in counts(build):
        path = os.path.realpath(os.path.join(build, report["file"]))
        if os.path.dirname(path) != folder or not path.endswith(".c"):
            continue
        lines = files.setdefault(path, {})
        for line in report["lines"]:
            entry = lines.setdefault(line["line_number"], [0, []])
            entry[0] += line["count"]
            branches = [branch["count"] for branch in line["branches"]]
            entry[1] += [0] * (len(branches) - len(entry[1]))
            for i, count in enumerate(branches):
                entry[1][i] += count
    return files


def share(reached, there):
    return 100.0 * reached / there if there else 100.0


def main():
    build, folder = (os.path.realpath(path) for path in sys.argv[1:3])
    least = [float(text) for text in sys.argv[3:5]]
    files = collect(build, folder)
    total, missing = [0, 0, 0, 0], []
    for path in sorted(files):
        lines = files[path]
        row = [sum(1 for count, _ in lines.values() if count), len(lines),
               sum(1 for _, branches in lines.values() for count in branches if count),
               sum(len(branches) for _, branches in lines.values())]
        total = [a + b for a, b in zip(total, row)]
        name = os.path.basename(path)
        print(f"{name:24} lines {row[0]:5} of {row[1]:5} {share(*row[:2]):6.1f} %"
              f"   branches {row[2]:5} of {row[3]:5} {share(*row[2:]):6.1f} %")
        with open(path, encoding="utf-8") as source:
            text = source.read().splitlines()
        for number, (count, branches) in sorted(lines.items()):
            never = sum(1 for taken in branches if not taken)
            if not count or never:
                what = "not reached" if not count else f"{never} of {len(branches)} branches never taken"
                missing.append(f"{name}:{number}: {what}: {text[number - 1].strip()}")
    print(f"{'all':24} lines {total[0]:5} of {total[1]:5} {share(*total[:2]):6.1f} %"
          f"   branches {total[2]:5} of {total[3]:5} {share(*total[2:]):6.1f} %\n")
    print("\n".join(missing))
    if not files or share(*total[:2]) < least[0] or share(*total[2:]) < least[1]:
        sys.exit(f"less than {least[0]:g} % of lines or {least[1]:g} % of branches")


main()
