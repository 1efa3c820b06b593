"""Bad input: an exception that names argument, value and what was expected, before anything runs.

SPDX-License-Identifier: Apache-2.0
"""

import gc
import unittest
import warnings
from unittest import mock

import numpy as np
from support import problem, same_bits

import libclmp
from libclmp import _opencl

LOGITS, LABELS = problem((2, 3, 4, 5))


class Errors(unittest.TestCase):
    def refused(self, kind, words, call, *arguments, **options):
        with self.assertRaises(kind) as caught:
            call(*arguments, **options)
        error = caught.exception
        self.assertIsInstance(error, libclmp.Error)
        self.assertIsInstance(error.status, libclmp.Status)
        self.assertTrue(error.messages)
        for word in words:
            self.assertIn(word, str(error))
        self.assertNotIn("\n", str(error))

    def test_arrays(self):
        wrong, type_ = libclmp.InvalidArgument, libclmp.InvalidType
        for kind, words, logits, labels, options in (
            (type_, ["logits", "float64", "float32"], LOGITS.astype(float), LABELS, {}),
            (type_, ["logits", "int64", "float32"], LOGITS.astype(int), LABELS, {}),
            (type_, ["logits", "object"], None, LABELS, {}),
            (type_, ["labels", "float32", "integer"], LOGITS, LABELS.astype(np.float32), {}),
            (wrong, ["logits", "(4, 5)", "(N, C, H, W)"], LOGITS[0, 0], LABELS, {}),
            (wrong, ["logits", "(0, 3, 4, 5)"], LOGITS[:0], LABELS[:0], {}),
            (wrong, ["logits", "(2, 3, 0, 5)"], LOGITS[:, :, :0], LABELS[:, :0], {}),
            (wrong, ["logits", "(2, 0, 4, 5)"], LOGITS[:, :0], LABELS, {}),
            (wrong, ["labels", "(1, 4, 5)", "(2, H, W)"], LOGITS, LABELS[:1], {}),
            (wrong, ["labels", "(2, 0, 5)"], LOGITS, LABELS[:, :0], {}),
            (wrong, ["labels", "(4, 5)"], LOGITS, LABELS[0], {}),
            (wrong, ["labels", "(2, 4, 5)", "(2, 3, H, W)"], LOGITS, LABELS, {"loss": "bce"}),
            (wrong, ["logits are 4 x 5", "3 x 5"], LOGITS, LABELS[:, :3], {}),
            (wrong, ["layout", "'chwn'"], LOGITS, LABELS, {"layout": "chwn"}),
        ):
            with self.subTest(words):
                self.refused(kind, words, libclmp.loss, logits, labels, **options)

    def test_options(self):
        wrong, type_ = libclmp.InvalidArgument, libclmp.InvalidType
        for kind, words, options in (
            (wrong, ["p is 0.5"], {"p": 0.5}),
            (wrong, ["p is nan"], {"p": float("nan")}),
            (type_, ["p is '1.7'", "number"], {"p": "1.7"}),
            (type_, ["p is None"], {"p": None}),
            (wrong, ["support is 0"], {"support": 0}),
            (wrong, ["support is 1.5"], {"support": 1.5}),
            (wrong, ["weighting is 'lpm'", "'ohem'"], {"weighting": "lpm"}),
            (wrong, ["weighting is 17", "'ohem'"], {"weighting": 17}),
            (wrong, ["loss is 1.0", "'focal'"], {"loss": 1.0}),
            (wrong, ["scope is None"], {"scope": None}),
            (type_, ["ignore_index is 1.5", "integer"], {"ignore_index": 1.5}),
            (wrong, ["ignore_index is 9223372036854775808"], {"ignore_index": 2**63}),
            (wrong, ["topk_count is -1"], {"topk_count": -1, "weighting": "topk"}),
            (type_, ["align_corners is 1"], {"align_corners": 1}),
            (wrong, ["ohem_thresh is 1"], {"weighting": "ohem", "ohem_thresh": 1.0}),
            (wrong, ["focal_gamma is 9"], {"loss": "focal", "focal_gamma": 9.0}),
            (wrong, ["label_smoothing is 1"], {"label_smoothing": 1.0}),
            (wrong, ["class_weights has 2", "3 classes"], {"class_weights": [1, 2]}),
            (wrong, ["class_weights has the shape (3, 1)"], {"class_weights": [[1], [2], [3]]}),
            (wrong, ["class_weights[1] is nan"], {"class_weights": [1, np.nan, 3]}),
            (wrong, ["class_weights[2] is inf"], {"class_weights": [1, 2, np.inf]}),
            (wrong, ["class_weights[0] is -1"], {"class_weights": [-1, 2, 3]}),
            (wrong, ["all 0"], {"class_weights": [0, 0, 0]}),
            (type_, ["class_weights is 'abc'"], {"class_weights": "abc"}),
            (type_, ["'suport'", "did you mean 'support'"], {"suport": 0.5}),
            (type_, ["'images'"], {"images": 2}),
            (wrong, ["gradient_scale is nan"], {"gradient": True, "gradient_scale": float("nan")}),
            (type_, ["gradient_scale is 'x'"], {"gradient": True, "gradient_scale": "x"}),
            (wrong, ["step is -1"], {"step": -1}),
            (type_, ["device is 3"], {"device": 3}),
            (libclmp.DeviceNotFound, ["'no such device'"], {"device": "no such device"}),
        ):
            with self.subTest(words):
                self.refused(kind, words, libclmp.loss, LOGITS, LABELS, **options)

    def test_other_functions(self):
        wrong, type_ = libclmp.InvalidArgument, libclmp.InvalidType
        self.refused(type_, ["losses", "float64"], libclmp.weights, np.ones(3))
        self.refused(wrong, ["losses", "(0,)"], libclmp.weights, np.ones(0, np.float32))
        self.refused(type_, ["weights()", "'pp'"], libclmp.weights, np.ones(3, np.float32), pp=2)
        self.refused(wrong, ["balanced", "labels"], libclmp.weights, np.ones(3, np.float32), weighting="balanced")
        self.refused(wrong, ["classes is 0"], libclmp.label_counts, LABELS, 0)
        self.refused(wrong, ["labels", "(5,)"], libclmp.label_counts, LABELS[0, 0], 3)
        self.refused(type_, ["labels", "float64"], libclmp.label_counts, [LABELS, LABELS * 1.0], 3)
        self.refused(wrong, ["labels and classes, or counts"], libclmp.class_weights)
        self.refused(wrong, ["classes is None"], libclmp.class_weights, LABELS)
        self.refused(wrong, ["counts", "(4,)"], libclmp.class_weights, counts=[1, 2, 3, 4])
        self.refused(wrong, ["scheme is 'none'", "'median'"], libclmp.class_weights, LABELS, 3, scheme="none")
        self.refused(wrong, ["absent"], libclmp.class_weights, LABELS, 3, absent=-1.0)
        self.refused(type_, ["'abscent'", "'absent'"], libclmp.class_weights, LABELS, 3, abscent=1.0)
        self.refused(wrong, ["labels", "(2, H, W)"], libclmp.confusion, LOGITS, LABELS[0])

    def test_python_knows_them_by_its_own_names(self):
        for kind, base in (
            (libclmp.InvalidArgument, ValueError),
            (libclmp.InvalidType, TypeError),
            (libclmp.OutOfMemory, MemoryError),
            (libclmp.DeviceNotFound, LookupError),
        ):
            self.assertTrue(issubclass(kind, base) and issubclass(kind, libclmp.Error))

    def test_a_device_that_is_gone_is_an_error_and_no_step_of_its_own(self):
        wanted = libclmp.loss(LOGITS, LABELS, gradient=True)
        for kind, name, code in (
            (libclmp.OpenCLError, "clFinish", -36),  # CL_INVALID_COMMAND_QUEUE, of drivers that lost their device
            (libclmp.OpenCLError, "clEnqueueReadBuffer", -2),  # CL_DEVICE_NOT_AVAILABLE
            (libclmp.OutOfMemory, "clEnqueueReadBuffer", -5),  # CL_OUT_OF_RESOURCES
        ):
            real = getattr(_opencl.api(), name)

            def fails(*arguments):
                real(*arguments)
                return code

            with mock.patch.object(_opencl.api(), name, fails):
                self.refused(kind, [name, str(code)], libclmp.loss, LOGITS, LABELS, gradient=True)
            step = libclmp.loss(LOGITS, LABELS, gradient=True)
            self.assertTrue(same_bits(step.gradient, wanted.gradient))

    def test_what_failed_leaves_nothing_behind(self):
        wanted = libclmp.loss(LOGITS, LABELS, gradient=True)
        for options in ({"p": 0.5}, {"gradient_scale": float("inf")}, {"suport": 1}):
            with self.assertRaises(libclmp.Error):
                libclmp.loss(LOGITS, LABELS, gradient=True, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gc.collect()
        step = libclmp.loss(LOGITS, LABELS, gradient=True)
        self.assertTrue(same_bits(step.gradient, wanted.gradient))


if __name__ == "__main__":
    unittest.main()
