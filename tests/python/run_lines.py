"""Runs the Python lines of a Markdown file, one block after the other, as a reader would.

SPDX-License-Identifier: Apache-2.0

usage: run_lines.py FILE.md...

What a block prints must be what the block behind it shows (a fence without a language).  Where a module is not installed
(torch, PyOpenCL), the block is left out, and so are those behind it that want its names.
"""

import contextlib
import io
import re
import sys

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```$)?", re.M | re.S)


def main(paths):
    run = failed = left_out = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        names, missing = {"__name__": "__main__"}, False
        for match in BLOCK.finditer(text):
            lines, shown = match.groups()
            where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
            printed = io.StringIO()
            try:
                with contextlib.redirect_stdout(printed):
                    exec(compile("\n" * text.count("\n", 0, match.start(1)) + lines, path, "exec"), names)
            except ModuleNotFoundError as error:
                print(f"{where}: left out: {error}")
                left_out, missing = left_out + 1, True
                continue
            except NameError as error:
                if not missing:
                    raise
                print(f"{where}: left out: {error}")
                left_out += 1
                continue
            run += 1
            if printed.getvalue() != (shown or ""):
                failed += 1
                print(f"{where}: printed\n{printed.getvalue()}but shows\n{shown or ''}")
    print(f"{100 * (run - failed) // max(1, run)}%: Checks: {run}, Failures: {failed}, Errors: 0")
    return 1 if failed or not run else 0


sys.exit(main(sys.argv[1:]))
