"""The example for tinygrad prints what it says that it prints.

SPDX-License-Identifier: Apache-2.0

Needs what `sh tests/setup.sh tinygrad` installs.
"""

import os
import re
import subprocess
import sys
import unittest

from support import ROOT

EXAMPLE = os.path.join(ROOT, "examples", "tinygrad_training.py")


class Example(unittest.TestCase):
    def test_it_prints_what_it_says(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            says = re.search(r"^It prints:\n((?:    .*\n)+)", file.read(), re.M).group(1)
        run = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=600)
        self.assertEqual(run.returncode, 0, run.stderr)  # where PoCL counts the warnings of tinygrad's kernels
        self.assertEqual(run.stdout, re.sub(r"^    ", "", says, flags=re.M))


if __name__ == "__main__":
    unittest.main()
