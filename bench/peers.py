#!/usr/bin/env python3
"""libclmp beside torch: how long a step takes, and who is right.

SPDX-License-Identifier: Apache-2.0

One run, one machine, the same logits: libclmp's step with both solvers, a plain OpenCL copy of the logits, and the peers
that peer_torch.py describes.  Their samples alternate, so that whatever else the machine does meets all of them alike.
A sample is the wall time of one step, from an idle device to an idle device.  Losses and gradients are first held to
peer_reference.py's, in long double.
"""

import argparse
import datetime
import importlib
import json
import os
import sys
import time

import clmp_ctypes
import peer_cases

BAD_USE, DEVICE_FAILED = 2, 1
REPEAT, QUICK_REPEAT = 15, 3
SLOW_MS = 1000.0  # a step this long is repeated a third as often, but not less than 3 times
BYTES_PER_LOGIT = 12  # the weights need all losses first: so logits are read twice, and the gradient is written
# What libclmp promises.
LOSS_ERROR, GRADIENT_ERROR = 2e-6, 4e-6

HELP = f"""
columns:
  ms, quartiles    wall time of a step: loss and gradient with respect to the logits
  step             times libclmp's step (search)
  floor            times the moving of 3 C 4 bytes for each pixel at the speed of a copy, which is the least
                   for a loss whose weights depend on all losses
  loss error       relative to the same loss in long double
  gradient error   the largest, relative to the largest weight tau (max-pooling), or to the largest gradient

Torch gets as many threads as there are processors, and an allocator that keeps large tensors for the next step, which
the system's does not: both in its favour.  --torch-defaults takes it as it comes.

Steps longer than {SLOW_MS / 1000:.0f} s are repeated a third as often.  Exit status: 0, 1 if a device failed or libclmp
is not as accurate as promised, 2 for bad use.
"""


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def say(text):
    """Progress, for who watches."""
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def need(module, package):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Failure(
            BAD_USE, f"no {module} in {sys.executable} ({error}); Debian has it in {package}: sh tests/setup.sh peers"
        ) from None


# --------------------------------------------------------------------------------------------------------------- options


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
    add("--library", metavar="FILE", help="libclmp.so (default: of the newest build folder here, else the loader's)")
    add("--device", metavar="NAME", help="OpenCL device whose name or platform contains NAME (default: a GPU, else any)")
    add("--case", metavar="NAME", action="append", help=f"may be given again: {names} (default: cityscapes)")
    add("--quick", action="store_true", help="few repeats; and the case small, if none is given")
    add("--repeat", metavar="N", type=positive, help=f"samples of each number (default: {REPEAT}; quick: {QUICK_REPEAT})")
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
    if options.json:  # before the long run, not after it
        folder = os.path.dirname(options.json) or "."
        if os.path.isdir(options.json) or not os.access(folder, os.W_OK):
            raise Failure(BAD_USE, f"cannot write {options.json}")
    return options


# --------------------------------------------------------------------------------------------------------------- libclmp


def open_library(options):
    """The library, and the built peer_serial.c beside it or None."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = options.library or clmp_ctypes.find_library(root)
    try:
        library = clmp_ctypes.load(path)
    except (OSError, AttributeError) as error:
        raise Failure(BAD_USE, f"no libclmp: {error}; build it, or name it by --library") from None
    build = os.path.dirname(os.path.dirname(os.path.abspath(path))) if path else root
    serial = os.path.join(build, "bench", "peer_serial.so")
    if not os.path.exists(serial):
        print(f"peers.py: max-pooling, serial is left out: there is no {serial}", file=sys.stderr)
        serial = None
    return library, serial


def choose_device(cl, wanted):
    try:
        devices = [device for platform in cl.get_platforms() for device in platform.get_devices()]
    except cl.Error:
        devices = []
    if not devices:
        raise Failure(DEVICE_FAILED, "there is no OpenCL device; is a driver installed?")
    if wanted:
        wanted = wanted.lower()
        devices = [d for d in devices if wanted in d.name.lower() or wanted in d.platform.name.lower()]
        if not devices:
            raise Failure(BAD_USE, f"--device is '{wanted}', which no device's name or platform contains")
    return next((d for d in devices if d.type & cl.device_type.GPU), devices[0])


class Steps:
    """libclmp's steps and the copy, on buffers of one case."""

    def __init__(self, cl, library, device, case, logits, labels, options):
        self.cl, self.context = cl, cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        clmp = clmp_ctypes.Context(library, self.context, device)
        shape = {"images": case.images, "classes": case.classes, "height": case.height, "width": case.width}
        self.plans = {
            name: clmp_ctypes.Plan(clmp, **shape, p=options.p, support=options.support, solver=solver)
            for name, solver in (("search", clmp_ctypes.SOLVER_SEARCH), ("sort", clmp_ctypes.SOLVER_SORT))
        }
        flags = cl.mem_flags.READ_WRITE
        self.places = {
            "logits": self._buffer(logits),
            "labels": self._buffer(labels),
            "gradient": cl.Buffer(self.context, flags, logits.nbytes),
            "result": cl.Buffer(self.context, flags, 64),
        }
        self.shape = logits.shape

    def _buffer(self, array):
        flags = self.cl.mem_flags
        return self.cl.Buffer(self.context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=array)

    def copy(self):
        self.cl.enqueue_copy(self.queue, self.places["gradient"], self.places["logits"])
        self.queue.finish()

    def step(self, solver):
        self.plans[solver].enqueue_gradient(self.queue, **self.places)
        self.queue.finish()

    def outputs(self, solver, empty):
        """The loss and the gradient of a step."""
        self.step(solver)
        gradient = empty(self.shape, "float32")
        self.cl.enqueue_copy(self.queue, gradient, self.places["gradient"])
        return clmp_ctypes.read_results(self.queue, self.places["result"])[0].loss, gradient


# ------------------------------------------------------------------------------------------------------------ one case


class Row:
    """What is measured: a call, its samples, and its errors against long double."""

    def __init__(self, name, call, solver="none", peer=False):
        self.name, self.call, self.solver, self.peer = name, call, solver, peer
        self.ms, self.loss, self.loss_error, self.gradient_error = [], None, None, None

    def sample(self):
        begin = time.perf_counter()
        self.call()
        self.ms.append((time.perf_counter() - begin) * 1e3)


def compare(case, logits, labels, options, outputs):
    """outputs: (row, definition, loss, gradient).  Gives the rows their errors."""
    peer_reference = importlib.import_module("peer_reference")
    area = case.height * case.width
    flat = (case.images, case.classes, area)
    reference = peer_reference.Reference(
        logits.reshape(flat), labels.reshape(case.images, area), peer_cases.IGNORED
    )
    arguments = {"max_pooling": (options.p, options.support), "hard_examples": (0.7, 100000 * case.images)}
    truths = {}
    for _, definition, _, _ in outputs:
        if definition not in truths:
            say(f"{case.name}: long double, {definition}")
            truths[definition] = getattr(reference, definition)(*arguments.get(definition, ()))
    say(f"{case.name}: long double, gradients")
    errors = reference.largest_errors([(truths[definition], g.reshape(flat)) for _, definition, _, g in outputs])
    for (row, definition, loss, _), error in zip(outputs, errors):
        row.loss, row.gradient_error = loss, error
        row.loss_error = float(abs(loss - truths[definition].loss) / truths[definition].loss)


def check_promise(case, rows):
    for row in rows:
        if not row.peer and row.loss is not None:
            if not (row.loss_error <= LOSS_ERROR and row.gradient_error <= GRADIENT_ERROR):
                raise Failure(
                    DEVICE_FAILED,
                    f"{case.name}: libclmp ({row.solver}) is not as accurate as promised: loss {row.loss_error:.2g}, "
                    f"gradient {row.gradient_error:.2g}",
                )


def run_case(case, options, np, cl, torch, library, serial, device):
    """Rows of a case."""
    peer_torch = importlib.import_module("peer_torch")
    say(f"{case.name}: data")
    logits, labels = peer_cases.make(case)
    logits = logits.reshape(case.images, case.classes, case.height, case.width)
    labels = labels.reshape(case.images, case.height, case.width)
    steps = Steps(cl, library, device, case, logits, labels, options)
    problem = peer_torch.Problem(logits, labels, peer_cases.IGNORED, options.p, options.support)

    rows, outputs = [Row("copy", steps.copy)], []
    for solver in steps.plans:
        say(f"{case.name}: libclmp, {solver}")
        row = Row("step", lambda solver=solver: steps.step(solver), solver)
        rows.append(row)
        outputs.append((row, "max_pooling", *steps.outputs(solver, np.empty)))
    for peer in peer_torch.peers(problem, serial):
        say(f"{case.name}: torch, {peer.name}")
        row = Row(peer.name, lambda peer=peer: (problem.step(peer.loss), problem.finish()), peer=True)
        try:
            loss, gradient = problem.step(peer.loss)
        except RuntimeError as error:  # out of memory, or a compiler that is not there
            reason = str(error).strip().splitlines()[0]
            print(f"peers.py: {peer.name} is left out: {reason}", file=sys.stderr)
            continue
        rows.append(row)
        outputs.append((row, peer.definition, loss.item(), gradient.cpu().numpy()))
        problem.logits.grad = None
    compare(case, logits, labels, options, outputs)
    check_promise(case, rows)
    outputs.clear()
    sample(case, rows, options.repeat)
    return rows


def sample(case, rows, repeat):
    """Round robin, after a round that warms up and tells who is slow."""
    for row in rows:
        row.sample()
    for row in rows:
        slow = row.ms.pop() > SLOW_MS
        row.every = min(3, max(1, repeat // 3)) if slow else 1
    for i in range(repeat):
        say(f"{case.name}: sample {i + 1} of {repeat}")
        for row in rows:
            if i % row.every == 0:
                row.sample()


# ---------------------------------------------------------------------------------------------------------------- report


def quantities(row, rows, case, np):
    """Median, quartiles, times libclmp's step, times the floor."""
    low, median, high = (float(x) for x in np.percentile(row.ms, [25, 50, 75]))
    copy, step = (float(np.median(r.ms)) for r in rows[:2])
    return low, median, high, median / step, median / (copy * BYTES_PER_LOGIT / 8)


def print_table(case, rows, options, np):
    size = f"{case.images} x {case.classes} x {case.height} x {case.width}"
    print(f"\n{case.name}: {size}, p {options.p:g}, support {options.support:g}")
    head = ("", "ms", "quartile", "quartile", "step", "floor", "loss error", "gradient error", "repeat")
    print("  {:<29} {:>9} {:>9} {:>9} {:>7} {:>7} {:>11} {:>15} {:>7}".format(*head))
    for row in rows:
        low, median, high, step, floor = quantities(row, rows, case, np)
        name = "torch, " + row.name if row.peer else "OpenCL, copy" if row.name == "copy" else f"libclmp, {row.solver}"
        line = f"  {name:<29} {median:9.2f} {low:9.2f} {high:9.2f} {step:7.2f} {floor:7.2f}"
        if row.loss is None:
            print(line + f" {'-':>11} {'-':>15} {len(row.ms):7d}")
        else:
            print(line + f" {row.loss_error:11.2g} {row.gradient_error:15.2g} {len(row.ms):7d}")
    sys.stdout.flush()


def records(case, rows, options, device, library, torch, np):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    elements = case.pixels * case.classes
    copy_gbps = elements * 8 / (float(np.median(rows[0].ms)) * 1e6)
    for row in rows:
        low, median, high, step, floor = quantities(row, rows, case, np)
        size = elements * (8 if row.name == "copy" else BYTES_PER_LOGIT)
        gbps = size / (median * 1e6)
        yield {
            "device": device.name,
            "platform": device.platform.name,
            "opencl": device.version,
            "driver": device.driver_version,
            "version": library.clmp_version().decode(),
            "date": date,
            "case": case.name,
            "solver": row.solver,
            "stage": "torch " + row.name if row.peer else row.name,
            "peer": row.peer,
            "images": case.images,
            "classes": case.classes,
            "height": case.height,
            "width": case.width,
            "pixels": case.pixels,
            "p": options.p,
            "support": options.support,
            "ms": median,
            "ms_quartile_low": low,
            "ms_quartile_high": high,
            "wall_ms": median,
            "clock": "wall",
            "bytes": size,
            "gbps": gbps,
            "copy_gbps": copy_gbps,
            "of_copy": copy_gbps / gbps,
            "of_step": step,
            "repeat": len(row.ms),
            "batch": 1,
            "sets": 1,
            "loss": row.loss,
            "loss_error": row.loss_error,
            "gradient_error": row.gradient_error,
            "torch": torch.__version__,
            "torch_threads": torch.get_num_threads(),
            "torch_defaults": options.torch_defaults,
        }


def finite(record):
    """JSON knows no NaN and no infinity."""
    return {k: None if isinstance(v, float) and not -float("inf") < v < float("inf") else v for k, v in record.items()}


def write_json(path, list_of_records):
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "x", encoding="utf-8") as stream:
            json.dump([finite(record) for record in list_of_records], stream, indent=1, allow_nan=False)
            stream.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise Failure(BAD_USE, f"cannot write {path}: {error.strerror}") from None


# ------------------------------------------------------------------------------------------------------------------ main


def keep_memory():
    """The C library gives tensors of more than 32 MiB back to the system, and gets them page by page: here not."""
    import ctypes

    m_mmap_max, m_trim_threshold, never = -4, -1, 2**31 - 1
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, never)
    except (AttributeError, OSError):
        pass  # another C library: its allocator is as it is


def run(options):
    np = need("numpy", "python3-numpy")
    cl = need("pyopencl", "python3-pyopencl")
    torch = need("torch", "python3-torch")
    if not options.torch_defaults:
        keep_memory()
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(options.threads or processors)
    elif options.threads:
        raise Failure(BAD_USE, "--threads and --torch-defaults exclude each other (see --help)")
    library, serial = open_library(options)
    device = choose_device(cl, options.device)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    version = library.clmp_version().decode()
    print(f"{device.name.strip()}\n  {device.platform.name}, {device.version.strip()}, libclmp {version}")
    print(f"  torch {torch.__version__}, {where}, {'the system' if options.torch_defaults else 'a keeping'} allocator")
    print(f"  references have {np.finfo(np.longdouble).nmant + 1} bits of mantissa", flush=True)
    written = []
    for case in options.cases:
        rows = run_case(case, options, np, cl, torch, library, serial, device)
        say("")
        print_table(case, rows, options, np)
        written += records(case, rows, options, device, library, torch, np)
        if options.json:  # after each case: whatever stops a long run, what it has found is kept
            write_json(options.json, written)


def main(arguments):
    try:
        run(read_options(arguments))
    except Failure as failure:
        say("")
        print(f"peers.py: {failure}", file=sys.stderr)
        return failure.status
    except clmp_ctypes.ClmpError as error:
        say("")
        print(f"peers.py: {error}", file=sys.stderr)
        return DEVICE_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
