"""Runs a module of tests, and counts them as tests/run.sh does.

SPDX-License-Identifier: Apache-2.0

usage: run.py MODULE
"""

import os
import sys
import time
import unittest


class Result(unittest.TextTestResult):
    """Says how long a test took, where it was long."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        took = time.monotonic() - self.began
        if took >= 1.0:
            self.stream.writeln(f"    {took:.1f} s")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    # bench/peers has losses and gradients in long double.
    sys.path[:1] = [here, os.path.join(here, "..", "..", "bench", "peers")]
    suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout, resultclass=Result).run(suite)
    run = result.testsRun - len(result.skipped)
    failed, errors = len(result.failures) + len(result.unexpectedSuccesses), len(result.errors)
    share = 100 * max(0, run - failed - errors) // max(1, run)
    print(f"{share}%: Checks: {run}, Failures: {failed}, Errors: {errors}")
    if run == 0 and not errors:
        return 77
    return 1 if failed or errors else 0


sys.exit(main())
