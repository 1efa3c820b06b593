#!/usr/bin/env python3
"""libclmp beside torch: how long a step takes, and who is right.

SPDX-License-Identifier: Apache-2.0

One run, one machine, the same logits: libclmp's step with both solvers, a plain OpenCL copy of the logits, and the
peers that peer_torch.py describes.  Their samples alternate, so that whatever else the machine does meets all of them
alike.  A sample is the wall time of one step, from an idle device to an idle device.  Losses and gradients are first
held to peer_reference.py's, in long double.
"""

import argparse
import ctypes
import importlib
import os
import sys

import peer_cases
from peer_words import BAD_USE, DEVICE_FAILED, Failure, say, warn

REPEAT, QUICK_REPEAT = 15, 3

HELP = """
columns:
  ms, quartiles    wall time of a step: loss and gradient with respect to the logits
  step             times libclmp's step (search): LossMaxPooling and libclmp.loss are that step as its users call
                   it, on tensors with autograd and on arrays, with what Python and new memory cost
  floor            times the moving of 3 C 4 bytes for each pixel at the speed of a copy, which is the least
                   for a loss whose weights depend on all losses (12 bytes for each logit and 14 for each
                   pixel where logits are interpolated, which is bound by arithmetic)
  loss error       relative to the same loss in long double
  gradient error   the largest, relative to the largest weight tau (max-pooling), or to the largest gradient;
                   where logits are interpolated, to tau times the share of pixels in a logit
  MB               the most that a step takes besides logits and labels: libclmp's workspace and gradient,
                   torch's tensors as its profiler counts them

Behind the table: what a call on arrays costs beyond a step from C with buffers that are made, whose record is read.
The two are called in turn, 1000 times or for two seconds, and each pair has a difference.  It is for --case tiny: where
steps take long, their own differences hide it.

Torch gets as many threads as there are processors, and an allocator that keeps large tensors for the next step, which
the system's does not: both in its favour.  --torch-defaults takes it as it comes: its own number of threads, and before
each sample what is free goes back to the system (a process that runs the one peer alone is not faster than that).

Steps longer than 1 s are repeated a third as often.  Exit status: 0, 1 if a device failed or libclmp
is not as accurate as promised, 2 for bad use.
"""


def positive(text):
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10000:
        raise argparse.ArgumentTypeError(f"'{text}', expected a number from 1 to 10000")
    return int(text)


def between(low, high, text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"'{text}', expected a number from {low} to {high}")
    return value


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(BAD_USE, message + " (see --help)")


def read_options(arguments):
    names = ", ".join(case.name for case in peer_cases.CASES)
    parser = Parser(
        prog="peers.py",
        description="Measures libclmp and what one writes with torch instead, on the same logits.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--package", metavar="FOLDER", help="where libclmp lies (default: python in the newest build folder, else installed)")
    add("--device", metavar="NAME", help="whose name or platform contains NAME (default: a GPU, else any device)")
    add("--case", metavar="NAME", action="append", help=f"may be given again: {names} (default: cityscapes)")
    add("--quick", action="store_true", help="few repeats; and the case small, if none is given")
    add("--repeat", metavar="N", type=positive, help=f"samples of each (default: {REPEAT}; quick: {QUICK_REPEAT})")
    add("--p", type=lambda text: between(1.01, 100.0, text), default=1.7, help="the norm (default: 1.7)")
    add("--support", type=lambda text: between(1e-6, 1.0, text), default=0.25, help="least share (default: 0.25)")
    add("--threads", metavar="N", type=positive, help="of torch (default: one for each processor)")
    add("--torch-defaults", action="store_true", help="leave torch's threads and the system's allocator as they are")
    add("--json", metavar="FILE", help="the numbers as an array of records, as clmp-bench writes them")
    options = parser.parse_args(arguments)
    options.cases = []
    for name in options.case or ["small" if options.quick else "cityscapes"]:
        case = peer_cases.find(name)
        if case is None:
            raise Failure(BAD_USE, f"--case is '{name}', which is none of the cases (see --help)")
        if case not in options.cases:
            options.cases.append(case)
    options.repeat = options.repeat or (QUICK_REPEAT if options.quick else REPEAT)
    if options.threads and options.torch_defaults:
        raise Failure(BAD_USE, "--threads and --torch-defaults exclude each other (see --help)")
    if options.json:  # before the long run, not after it
        folder = os.path.dirname(options.json) or "."
        if os.path.isdir(options.json) or not os.access(folder, os.W_OK):
            raise Failure(BAD_USE, f"cannot write {options.json}")
    return options


def keep_memory():
    """The C library gives tensors of more than 32 MiB back to the system, and gets them page by page: here not."""
    m_mmap_max, m_trim_threshold, never = -4, -1, 2**31 - 1
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, never)
    except (AttributeError, OSError):
        pass  # another C library: its allocator is as it is


def need(*packages):
    for module, package in packages:
        try:
            importlib.import_module(module)
        except ImportError as error:
            install = f"Debian has it in {package}: sh tests/setup.sh peers"
            raise Failure(BAD_USE, f"{sys.executable} lacks {module} ({error}); {install}") from None


def run(options):
    if not options.torch_defaults:
        keep_memory()  # before anything large is allocated
    need(("numpy", "python3-numpy"), ("pyopencl", "python3-pyopencl"), ("torch", "python3-torch"))
    import torch

    import peer_run  # these need the three

    folder = peer_run.open_package(options)
    import peer_report  # and this libclmp

    if not options.torch_defaults:
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(options.threads or processors)
    device = peer_run.choose_device(options.device)
    peer_report.print_head(options, device)
    written = []
    for case in options.cases:
        rows = peer_run.run_case(case, options, folder, device)
        say("")
        peer_report.print_table(case, rows, options)
        written += peer_report.records(case, rows, options, device)
        if options.json:  # after each case: whatever stops a long run, what it has found is kept
            peer_report.write_json(options.json, written)


def main(arguments):
    try:
        run(read_options(arguments))
    except Failure as failure:
        warn(failure)
        return failure.status
    except Exception as error:
        if type(error).__module__ != "libclmp._errors":
            raise
        warn(error)
        return DEVICE_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
