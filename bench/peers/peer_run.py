"""One case of peers.py: check against long double, then measure.

SPDX-License-Identifier: Apache-2.0
"""

import ctypes
import os
import sys
import time

import numpy as np
import pyopencl as cl

import peer_data
import peer_reference
import peer_torch
from peer_cases import IGNORED
from peer_words import BAD_USE, DEVICE_FAILED, Failure, say, warn

PAIRS, PAIRS_SECONDS = 1000, 2.0  # of a call on arrays and a step from C: at most
SLOW_MS = 1000.0  # a step this long is repeated a third as often, but not less than 3 times
# What libclmp promises.
LOSS_ERROR, GRADIENT_ERROR = 2e-6, 4e-6


def find_package(root):
    """The Python package of the newest build folder below `root`, or None: the installed one."""
    builds = [folder for folder in os.listdir(root) if folder.startswith("build")]
    folders = [os.path.join(root, folder, "python") for folder in builds]
    made = [folder for folder in folders if os.path.exists(os.path.join(folder, "libclmp", "libclmp.so"))]
    return max(made, key=lambda folder: os.path.getmtime(os.path.join(folder, "libclmp", "libclmp.so")), default=None)


def open_package(options):
    """Makes libclmp the package to import; gives the folder of what is built of bench/peers."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = options.package or find_package(root)
    if folder:
        sys.path.insert(0, os.path.abspath(folder))
    try:
        import libclmp.torch  # noqa: F401
    except ImportError as error:
        raise Failure(BAD_USE, f"no libclmp: {error}; build it, or name its folder by --package") from None
    build = os.path.dirname(os.path.abspath(folder)) if folder else root
    return os.path.join(build, "bench")


def built(folder, name, what):
    """The path of a module of bench/peers, or None, with a word about what is left out for it."""
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return path
    warn(f"{what} is left out: there is no {path}")
    return None


def choose_device(wanted):
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

    def __init__(self, device, case, logits, labels, options):
        import libclmp

        self.read_results = libclmp.read_results
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        self.clmp = libclmp.Context.from_pyopencl(self.context, device)
        shape = {"images": case.images, "classes": case.classes, "height": case.height, "width": case.width}
        shape.update(logits_height=case.logits_height, logits_width=case.logits_width)
        shape["align_corners"] = case.align_corners
        self.plans = {
            solver: libclmp.Plan(self.clmp, **shape, p=options.p, support=options.support, solver=solver)
            for solver in ("search", "sort")
        }
        flags = cl.mem_flags.READ_WRITE
        self.places = {
            "logits": self._buffer(logits),
            "labels": self._buffer(labels),
            "gradient": cl.Buffer(self.context, flags, logits.nbytes),
            "result": cl.Buffer(self.context, flags, 64),
        }
        self.shape = logits.shape
        self.copied = self.places["logits"], self.places["gradient"]
        if case.interpolates:  # these are small: planes of pixels instead
            self.copied = [cl.Buffer(self.context, flags, case.pixels * 4) for _ in range(2)]

    def _buffer(self, array):
        flags = cl.mem_flags
        return cl.Buffer(self.context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=array)

    def copy(self):
        cl.enqueue_copy(self.queue, self.copied[1], self.copied[0])
        self.queue.finish()

    def peak_bytes(self, solver):
        """Of a step, logits and labels left out."""
        return self.plans[solver].workspace_size + self.places["gradient"].size + self.places["result"].size

    def step(self, solver):
        self.plans[solver].enqueue_gradient(self.queue, **self.places)
        self.queue.finish()

    def step_of_c(self, path):
        """A step as a C program makes it, and waits for its record; its loss.  `path`: the built peer_step.c."""
        from libclmp import _header, _library, _opencl

        buffers = _library.init("clmp_buffers_init_sized", _header.Buffers)
        for name, place in self.places.items():
            getattr(buffers, name).mem = place.int_ptr
        record, pointer = _header.ResultRecord(), ctypes.c_void_p
        functions = _library.clmp().clmp_enqueue_gradient, _opencl.api().clEnqueueReadBuffer
        arguments = [ctypes.cast(function, pointer) for function in functions]
        arguments += [pointer(self.plans["search"]._handle), pointer(self.queue.int_ptr)]
        arguments += [ctypes.byref(buffers), ctypes.byref(record)]
        step = ctypes.CDLL(path).peer_step

        def call():
            error = step(*arguments)
            if error:
                raise Failure(DEVICE_FAILED, f"a step from C failed: {error}")
            return record.loss

        return call

    def outputs(self, solver):
        """The loss and the gradient of a step."""
        self.step(solver)
        gradient = np.empty(self.shape, np.float32)
        cl.enqueue_copy(self.queue, gradient, self.places["gradient"])
        return self.read_results(self.queue, self.places["result"])[0].loss, gradient


def users_calls(steps, problem, logits, labels, options):
    """(name, a step as a user of the package writes it, its loss and gradient): with tensors and with arrays.

    They are on the device that the steps are on."""
    import libclmp
    from libclmp.torch import LossMaxPooling

    module = LossMaxPooling(options.p, options.support, align_corners=problem.align_corners, device=steps.clmp)
    fields = {"p": options.p, "support": options.support, "align_corners": problem.align_corners, "device": steps.clmp}

    def tensors():
        loss, gradient = problem.step_of(module)
        problem.finish()
        return loss, gradient

    def arrays():
        step = libclmp.loss(logits, labels, gradient=True, **fields)
        return step.loss, step.gradient

    loss, gradient = tensors()
    yield "module", tensors, loss.item(), gradient.cpu().numpy()
    problem.logits.grad = None
    yield "arrays", arrays, *arrays()


def give_back():
    """Returns what is free to the system: a process that runs one peer alone gets its large tensors from there."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


class Row:
    """What is measured: a call, its samples, and its errors against long double."""

    def __init__(self, name, call, solver="none", peer=False):
        self.name, self.call, self.solver, self.peer = name, call, solver, peer
        self.ms, self.loss, self.loss_error, self.gradient_error = [], None, None, None
        self.peak_bytes = None  # beside logits and labels
        self.pairs = []  # of the first row, see pair()

    def sample(self):
        self.before()
        begin = time.perf_counter()
        self.call()
        self.ms.append((time.perf_counter() - begin) * 1e3)


def compare(case, logits, labels, options, outputs):
    """outputs: (row, definition, loss, gradient).  Gives the rows their errors."""
    if case.interpolates:
        shape = logits.shape
        reference = peer_reference.Interpolated(logits, labels, IGNORED, case.align_corners)
    else:
        area = case.height * case.width
        shape = (case.images, case.classes, area)
        reference = peer_reference.Reference(logits.reshape(shape), labels.reshape(case.images, area), IGNORED)
    arguments = {
        "max_pooling": (options.p, options.support),
        "hard_examples": (peer_torch.THRESHOLD, peer_torch.MIN_KEPT * case.images),
    }
    truths = {}
    for _, definition, _, _ in outputs:
        if definition not in truths:
            say(f"{case.name}: long double, {definition}")
            truths[definition] = getattr(reference, definition)(*arguments.get(definition, ()))
    say(f"{case.name}: long double, gradients")
    errors = reference.largest_errors([(truths[definition], g.reshape(shape)) for _, definition, _, g in outputs])
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


def run_case(case, options, folder, device):
    """Rows of a case: the copy, libclmp's two solvers and what its users call, the peers."""
    say(f"{case.name}: data")
    logits, labels = peer_data.make(case)
    logits = logits.reshape(case.images, case.classes, *case.logits_size)
    labels = labels.reshape(case.images, case.height, case.width)
    steps = Steps(device, case, logits, labels, options)
    problem = peer_torch.Problem(logits, labels, IGNORED, options.p, options.support, case.align_corners)

    rows, outputs = [Row("copy", steps.copy)], []
    for solver in steps.plans:
        say(f"{case.name}: libclmp, {solver}")
        row = Row("step", lambda solver=solver: steps.step(solver), solver)
        row.peak_bytes = steps.peak_bytes(solver)
        rows.append(row)
        outputs.append((row, "max_pooling", *steps.outputs(solver)))
    path = built(folder, "peer_step.so", "the step from C")
    if path:
        say(f"{case.name}: libclmp, C")
        call = steps.step_of_c(path)
        if call() != outputs[0][2]:
            raise Failure(DEVICE_FAILED, f"{case.name}: the step from C has the loss {call()}, expected {outputs[0][2]}")
        rows.append(Row("c", call))
    say(f"{case.name}: libclmp, tensors and arrays")
    for name, call, loss, gradient in users_calls(steps, problem, logits, labels, options):
        row = Row(name, call)
        row.peak_bytes = steps.peak_bytes("search")
        rows.append(row)
        outputs.append((row, "max_pooling", loss, gradient))
    for peer in peer_torch.peers(problem, built(folder, "peer_serial.so", "max-pooling, serial")):
        say(f"{case.name}: torch, {peer.name}")
        row = Row(peer.name, lambda peer=peer: (problem.step(peer.loss), problem.finish()), peer=True)
        try:
            loss, gradient = problem.step(peer.loss)
        except RuntimeError as error:  # out of memory, or a compiler that is not there
            reason = str(error).strip().splitlines()[0]
            warn(f"{peer.name} is left out: {reason}")
            continue
        row.peak_bytes = problem.peak_bytes(peer.loss)
        rows.append(row)
        outputs.append((row, peer.definition, loss.item(), gradient.cpu().numpy()))
        problem.logits.grad = None
    compare(case, logits, labels, options, outputs)
    check_promise(case, rows)
    outputs.clear()
    for row in rows:
        row.before = give_back if options.torch_defaults and row.peer else lambda: None
    sample(case, rows, options.repeat)
    calls = {row.name: row.call for row in rows}
    if "c" in calls:
        rows[0].pairs = pair(calls["c"], calls["arrays"])
    return rows


def pair(one, other):
    """Seconds of both, in turn and with nothing between them that would drive either from the caches."""
    found, end = [], time.perf_counter() + PAIRS_SECONDS
    while not found or len(found) < PAIRS and time.perf_counter() < end:
        begin = time.perf_counter()
        one()
        between = time.perf_counter()
        other()
        found.append((between - begin, time.perf_counter() - between))
    return found


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
