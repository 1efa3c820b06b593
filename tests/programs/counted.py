# SPDX-License-Identifier: Apache-2.0
"""Checks of a program, counted as Check counts them: tests/run.sh reads that line."""
import sys

checks = failures = 0


def check(good, words):
    """Counts a check; `words` say what failed."""
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print("failed:", words)


def report():
    """Prints the line of counts and ends the program: 1 where a check failed."""
    print(f"{100 * (checks - failures) // checks}%: Checks: {checks}, Failures: {failures}, Errors: 0")
    sys.exit(failures != 0)
