"""Processes: forks, threads at the end, machines without OpenCL, the doctor.

SPDX-License-Identifier: Apache-2.0
"""

import ctypes
import os
import runpy
import subprocess
import sys
import tempfile
import unittest

from support import ROOT, python

from libclmp import _header, _library

STEP = """
import numpy as np, libclmp, os, sys
def step():
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4) % 5
    return libclmp.loss(x, np.zeros((1, 3, 4), np.uint8), gradient=True).loss
"""


class Processes(unittest.TestCase):
    def ends_well(self, run, *words):
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(run.stderr, "")
        for word in words:
            self.assertIn(word, run.stdout)

    def test_an_import_touches_nothing(self):
        code = STEP + "print('OpenCL' in open('/proc/self/maps').read(), 'pyopencl' in sys.modules, 'torch' in sys.modules)"
        self.ends_well(python(code), "False False False")

    def test_a_child_that_was_forked_before_works(self):
        code = STEP + """
child = os.fork()
value = step()
if child == 0:
    os._exit(0 if value > 0 else 3)
print(os.waitpid(child, 0)[1])
"""
        self.ends_well(python(code), "0")

    def test_a_child_that_was_forked_after_is_told(self):
        code = STEP + """
kept = libclmp.Context.open()
step()
child = os.fork()
if child == 0:
    try:
        step()
    except libclmp.Forked as error:
        refused = isinstance(error, RuntimeError) and "spawn" in str(error)
    libclmp.clear()
    del kept
    os._exit(0 if refused else 3)
print(os.waitpid(child, 0)[1], step() > 0)
"""
        self.ends_well(python(code), "0 True")

    def test_processes_that_are_spawned_work(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "spawned.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(STEP + """
import multiprocessing
if __name__ == "__main__":
    here = step()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(step) == here)
""")
            run = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120)
        self.ends_well(run, "True")

    def test_an_interpreter_may_end_with_a_thread_at_work(self):
        code = STEP + """
import threading
step()
def work():
    while True:
        step()
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
"""
        for _ in range(3):
            self.ends_well(python(code))

    def test_without_a_library_the_words_say_so(self):
        code = STEP + """
try:
    step()
except ImportError as error:
    print("ImportError", error)
"""
        self.ends_well(python(code, environment={"CLMP_LIBRARY": "/nowhere/libclmp.so"}), "ImportError", "/nowhere")

    def test_the_doctor_runs_a_kernel_on_every_device(self):
        run = subprocess.run([sys.executable, "-m", "libclmp"], capture_output=True, text=True, timeout=300)
        self.ends_well(run, "libclmp", "NumPy", "works")

    def test_the_doctor_says_how_to_get_a_device(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "OCL_ICD_VENDORS": folder}
            run = subprocess.run(
                [sys.executable, "-m", "libclmp"], capture_output=True, text=True, timeout=120, env=environment
            )
            self.assertEqual((run.returncode, run.stderr), (1, ""))
            self.assertIn("There is no OpenCL device", run.stdout)
            self.assertIn("pocl-opencl-icd", run.stdout)
            self.assertIn("OCL_ICD_VENDORS is " + folder, run.stdout)

    def test_without_a_loader_the_words_say_how_to_get_one(self):
        code = """
import libclmp
from libclmp import _library
_library._loaded_loaders = _library._installed_loaders = lambda: ()
import ctypes
real = ctypes.CDLL
def missing(name, *rest, **more):
    if name and "OpenCL" in name:
        raise OSError(name + ": cannot open shared object file: No such file or directory")
    return real(name, *rest, **more)
ctypes.CDLL = missing
try:
    libclmp.devices()
except libclmp.NoDevice as error:
    print(error)
"""
        self.ends_well(python(code), "no OpenCL loader", "libOpenCL.so.1", "ocl-icd-libopencl1", "libclmp[cpu]")


class Generated(unittest.TestCase):
    """What is written from the header fits the library, and follows the header."""

    def generate(self, change):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(ROOT, "include", "clmp", "clmp.h"), encoding="ascii") as file:
                text = file.read()
            header, module = os.path.join(folder, "clmp.h"), os.path.join(folder, "later.py")
            with open(header, "w", encoding="ascii") as file:
                file.write(change(text))
            script = os.path.join(ROOT, "python", "generate.py")
            run = subprocess.run([sys.executable, script, header, module], capture_output=True, text=True, timeout=60)
            if run.returncode != 0:
                return run.stderr
            return runpy.run_path(module, run_name="later")

    def test_structs_fit_the_library(self):
        defaults = {
            "images": 1, "ignore_index": 255, "p": 1.7, "support": 0.25, "ohem_thresh": 0.7, "ohem_min_kept": 100000,
            "focal_gamma": 2.0, "focal_alpha": -1.0, "gradient_scale": 1.0, "enet_offset": 1.02, "beta": 0.9999, "absent": 1.0,
        }  # fmt: skip
        for kind in (_header.ContextParams, _header.PlanParams, _header.Buffers, _header.ClassWeightsParams):
            init = "clmp_" + "".join("_" + c.lower() if c.isupper() else c for c in kind.__name__)[1:] + "_init_sized"
            struct = kind.from_buffer_copy(b"\xa5" * ctypes.sizeof(kind))
            getattr(_library.clmp(), init)(ctypes.byref(struct), ctypes.sizeof(kind))
            for name, of in kind._fields_:
                value = getattr(struct, name)
                if issubclass(of, ctypes.Structure) or name == "log":
                    self.assertFalse(any(bytes(value)), name)
                elif name == "struct_size":
                    self.assertEqual(value, ctypes.sizeof(kind))
                elif hasattr(of, "contents"):
                    self.assertFalse(value, name)
                else:
                    self.assertEqual(value or 0, defaults.get(name, 0), name)
        self.assertEqual(ctypes.sizeof(_header.ResultRecord), 64)
        self.assertEqual(ctypes.sizeof(_header.Tuning), 64)
        self.assertEqual(_library.clmp().clmp_status_name(_header.Status.BUILD_FAILED), b"CLMP_BUILD_FAILED")

    def test_a_new_field_is_taken_up(self):
        def change(text):
            text = text.replace("} clmp_plan_params;", "    clmp_mood mood; /* how it feels */\n} clmp_plan_params;")
            enum = "typedef enum clmp_mood { CLMP_MOOD_GOOD = 0, CLMP_MOOD_BAD = 1 } clmp_mood;\n\n"
            return text.replace("typedef struct clmp_plan_params {", enum + "typedef struct clmp_plan_params {")

        names = self.generate(change)
        self.assertIn("mood", names["PlanFields"].__annotations__)
        self.assertEqual(names["FIELD_ENUMS"]["mood"].BAD, 1)
        self.assertEqual(names["PlanParams"]._fields_[-1][0], "mood")
        self.assertEqual(names["FIELD_WORDS"]["mood"], "how it feels")

    def test_what_is_not_understood_stops_the_build(self):
        for before, after in (
            ("} clmp_plan_params;", "    long strange;\n} clmp_plan_params;"),
            ("CLMP_API const char *clmp_version(void);", "CLMP_API struct other clmp_version(void);"),
        ):
            self.assertIn("not understood", self.generate(lambda text: text.replace(before, after)))


if __name__ == "__main__":
    unittest.main()
