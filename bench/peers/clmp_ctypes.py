"""libclmp from Python: the public header clmp/clmp.h by ctypes, on OpenCL objects of pyopencl.

SPDX-License-Identifier: Apache-2.0

    library = clmp_ctypes.load()
    context = clmp_ctypes.Context(library, cl_context, cl_device)
    plan = clmp_ctypes.Plan(context, classes=19, height=1024, width=2048)
    plan.enqueue_gradient(queue, logits=logits, labels=labels, gradient=gradient, result=result)

`cl_context`, `cl_device`, `queue` and the buffers are pyopencl's own.  Calls return at once; read `result` behind them
on the same queue (read_results does).  Structs are written here a second time.  They carry their size, so that they go
with libraries before and after the one they were written for; load() checks the defaults that the library's init
functions write, so that fields that lie elsewhere are refused, not misread.
"""

import ctypes
import ctypes.util
import os
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_double, c_float
from ctypes import c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

OK = 0
INPUT_LOGITS, INPUT_LOSSES, INPUT_LABELS = 0, 1, 2
LABEL_UINT8, LABEL_INT32, LABEL_INT64, LABEL_UINT16 = 0, 1, 2, 3
SCOPE_BATCH, SCOPE_IMAGE = 0, 1
SOLVER_SEARCH, SOLVER_SORT = 0, 1
WEIGHTING_LMP, WEIGHTING_UNIFORM, WEIGHTING_TOPK, WEIGHTING_OHEM, WEIGHTING_BALANCED = 0, 1, 2, 3, 4
SAMPLING_EVEN, SAMPLING_UNDER, SAMPLING_OVER = 0, 1, 2
LOSS_CROSS_ENTROPY, LOSS_FOCAL, LOSS_BINARY_CROSS_ENTROPY, LOSS_BINARY_FOCAL = 0, 1, 2, 3
FLOAT32, FLOAT16, BFLOAT16 = 0, 1, 2
LAYOUT_NCHW, LAYOUT_NHWC = 0, 1

# ------------------------------------------------------------------------------------------- structs, as in clmp/clmp.h

LOG_FN = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)


class ContextParams(Structure):
    _fields_ = [("struct_size", c_size_t), ("log", LOG_FN), ("log_user", c_void_p), ("cache_dir", c_char_p)]
    defaults = {}


class Tuning(Structure):
    _fields_ = [
        ("vector_width", c_uint32),
        ("group_size", c_uint32),
        ("bin_group", c_uint32),
        ("chunks", c_uint32),
        ("bin_sets", c_uint32),
        ("bin_memory", c_uint32),
        ("streaming", c_uint32),
        ("reserved", c_uint32 * 9),
    ]


class PlanParams(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("input", c_int),
        ("images", c_uint64),
        ("classes", c_uint64),
        ("height", c_uint64),
        ("width", c_uint64),
        ("logits_height", c_uint64),
        ("logits_width", c_uint64),
        ("align_corners", c_bool),
        ("label_type", c_int),
        ("ignore_index", c_int64),
        ("class_weights", POINTER(c_float)),
        ("p", c_double),
        ("support", c_double),
        ("scope", c_int),
        ("solver", c_int),
        ("tuning", Tuning),
        ("weighting", c_int),
        ("topk_count", c_uint64),
        ("ohem_thresh", c_double),
        ("ohem_min_kept", c_uint64),
        ("sampling", c_int),
        ("seed", c_uint64),
        ("loss", c_int),
        ("label_smoothing", c_double),
        ("focal_gamma", c_double),
        ("focal_alpha", c_double),
        ("logits_type", c_int),
        ("logits_layout", c_int),
        ("logits_row_pitch", c_uint64),
    ]
    defaults = {
        "images": 1,
        "ignore_index": 255,
        "p": 1.7,
        "support": 0.25,
        "ohem_thresh": 0.7,
        "ohem_min_kept": 100000,
        "focal_gamma": 2.0,
        "focal_alpha": -1.0,
    }


class Result(Structure):
    _fields_ = [
        ("loss", c_float),
        ("alpha", c_float),
        ("tau", c_float),
        ("reserved", c_uint32),
        ("support", c_uint64),
        ("valid", c_uint64),
        ("ignored", c_uint64),
        ("invalid_labels", c_uint64),
        ("nonfinite", c_uint64),
        ("pixels", c_uint64),
    ]


class Buffer(Structure):
    _fields_ = [("mem", c_void_p), ("offset", c_size_t)]


class Buffers(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("logits", Buffer),
        ("labels", Buffer),
        ("losses", Buffer),
        ("weights", Buffer),
        ("gradient", Buffer),
        ("label_counts", Buffer),
        ("confusion", Buffer),
        ("result", Buffer),
        ("workspace", Buffer),
        ("step", c_uint64),
        ("gradient_scale", c_float),
        ("in_place", c_bool),
    ]
    defaults = {"gradient_scale": 1.0}


_PROTOTYPES = {
    "clmp_version": (c_char_p, []),
    "clmp_status_name": (c_char_p, [c_int]),
    "clmp_status_text": (c_char_p, [c_int]),
    "clmp_context_params_init_sized": (None, [c_void_p, c_size_t]),
    "clmp_context_create": (c_int, [c_void_p, c_void_p, POINTER(ContextParams), POINTER(c_void_p)]),
    "clmp_context_destroy": (None, [c_void_p]),
    "clmp_plan_params_init_sized": (None, [c_void_p, c_size_t]),
    "clmp_plan_create": (c_int, [c_void_p, POINTER(PlanParams), POINTER(c_void_p)]),
    "clmp_plan_destroy": (None, [c_void_p]),
    "clmp_plan_workspace_size": (c_size_t, [c_void_p]),
    "clmp_plan_result_count": (c_size_t, [c_void_p]),
    "clmp_plan_tuning": (Tuning, [c_void_p]),
    "clmp_buffers_init_sized": (None, [c_void_p, c_size_t]),
    "clmp_enqueue_weights": (c_int, [c_void_p, c_void_p, POINTER(Buffers), c_uint32, c_void_p, c_void_p]),
    "clmp_enqueue_loss": (c_int, [c_void_p, c_void_p, POINTER(Buffers), c_uint32, c_void_p, c_void_p]),
    "clmp_enqueue_gradient": (c_int, [c_void_p, c_void_p, POINTER(Buffers), c_uint32, c_void_p, c_void_p]),
}


class ClmpError(Exception):
    """A status that is not CLMP_OK, with what the library said to its log."""


# ------------------------------------------------------------------------------------------------------------- library


def _init(init, struct):
    """A struct that an init function has set to its defaults."""
    params = struct()
    init(byref(params), ctypes.sizeof(params))
    return params


def _check_layout(library, init, struct):
    values = struct.from_buffer_copy(b"\xa5" * ctypes.sizeof(struct))
    getattr(library, init)(byref(values), ctypes.sizeof(struct))
    if values.struct_size != ctypes.sizeof(struct):
        raise ClmpError(f"{init} wrote struct_size {values.struct_size}, expected {ctypes.sizeof(struct)}")
    for name, kind in struct._fields_:
        value = getattr(values, name)
        if issubclass(kind, Structure) or kind is LOG_FN:
            good = not any(bytes(value))
        elif hasattr(kind, "contents"):
            good = not value
        else:
            good = name == "struct_size" or (value or 0) == struct.defaults.get(name, 0)
        if not good:
            raise ClmpError(f"the default of {name} is {value}: clmp_ctypes.py does not fit this library")


def load(path=None):
    """Loads libclmp from `path`, or as the loader finds it.  OSError: there is none."""
    library = ctypes.CDLL(path or ctypes.util.find_library("clmp") or "libclmp.so.0")
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    _check_layout(library, "clmp_context_params_init_sized", ContextParams)
    _check_layout(library, "clmp_plan_params_init_sized", PlanParams)
    _check_layout(library, "clmp_buffers_init_sized", Buffers)
    assert ctypes.sizeof(Result) == ctypes.sizeof(Tuning) == 64  # as the header says
    return library


def find_library(root):
    """The library of the newest build folder below `root`, or None."""
    builds = [folder for folder in os.listdir(root) if folder.startswith("build")]
    paths = [os.path.join(root, folder, "host", "libclmp.so") for folder in builds]
    return max(filter(os.path.exists, paths), key=os.path.getmtime, default=None)


# ----------------------------------------------------------------------------------------------------- context and plan


class Context:
    """A clmp_context; `cl` and `device` are a pyopencl.Context and one of its devices."""

    def __init__(self, library, cl, device):
        self.library, self.messages, self.handle = library, [], c_void_p()
        self._log = LOG_FN(lambda _, message: self.messages.append(message.decode(errors="replace")))
        params = _init(library.clmp_context_params_init_sized, ContextParams)
        params.log = self._log
        self.check(library.clmp_context_create(cl.int_ptr, device.int_ptr, byref(params), byref(self.handle)))

    def check(self, status):
        """Raises ClmpError unless `status` is CLMP_OK."""
        messages, self.messages[:] = "; ".join(self.messages), []
        if status != OK:
            raise ClmpError(messages or self.library.clmp_status_text(status).decode())

    def __del__(self):
        if self.handle:
            self.library.clmp_context_destroy(self.handle)


class Plan:
    """A clmp_plan.  Keywords are the fields of clmp_plan_params; `tuning` is a Tuning."""

    def __init__(self, context, **fields):
        self.context, self.library, self.handle = context, context.library, c_void_p()
        params = _init(self.library.clmp_plan_params_init_sized, PlanParams)
        for name, value in fields.items():
            getattr(PlanParams, name)  # a wrong name is an AttributeError, not a new attribute
            setattr(params, name, value)
        context.check(self.library.clmp_plan_create(context.handle, byref(params), byref(self.handle)))

    def __del__(self):
        if self.handle:
            self.library.clmp_plan_destroy(self.handle)

    def tuning(self):
        return self.library.clmp_plan_tuning(self.handle)

    def workspace_size(self):
        return self.library.clmp_plan_workspace_size(self.handle)

    def result_count(self):
        return self.library.clmp_plan_result_count(self.handle)

    def _enqueue(self, function, queue, gradient_scale=1.0, in_place=False, **places):
        buffers = _init(self.library.clmp_buffers_init_sized, Buffers)
        buffers.gradient_scale, buffers.in_place = gradient_scale, in_place
        for name, buffer in places.items():
            getattr(buffers, name).mem = buffer.int_ptr
        self.context.check(function(self.handle, queue.int_ptr, byref(buffers), 0, None, None))

    def enqueue_weights(self, queue, **places):
        """losses -> weights, result; places are pyopencl.Buffer objects, by the names of clmp_buffers."""
        self._enqueue(self.library.clmp_enqueue_weights, queue, **places)

    def enqueue_loss(self, queue, **places):
        """logits, labels -> losses, weights, result."""
        self._enqueue(self.library.clmp_enqueue_loss, queue, **places)

    def enqueue_gradient(self, queue, **places):
        """logits, labels -> losses, weights, gradient, result."""
        self._enqueue(self.library.clmp_enqueue_gradient, queue, **places)


def read_results(queue, buffer, count=1):
    """Waits for the queue; the records of a result buffer."""
    import pyopencl  # only here: the rest needs handles alone

    records = (Result * count)()
    pyopencl.enqueue_copy(queue, records, buffer)
    if any(record.reserved != 0 for record in records):
        raise ClmpError("the result buffer holds no clmp_result")
    return list(records)
