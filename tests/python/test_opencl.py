"""Contexts, queues, buffers and events of PyOpenCL: no copies, no waiting, an event out.

SPDX-License-Identifier: Apache-2.0
"""

import gc
import unittest

import numpy as np
import pyopencl as cl
import pyopencl.array
from support import problem, python, same_bits

import libclmp

# Not the result of a device of another test: the same device, in a context of the caller's.
CL = cl.Context([next(d for p in cl.get_platforms() for d in p.get_devices())])
CONTEXT = libclmp.Context.from_pyopencl(CL)
LOGITS, LABELS = problem((2, 3, 12, 13))
SHAPE = {"images": 2, "classes": 3, "height": 12, "width": 13}
WANTED = libclmp.loss(LOGITS, LABELS, gradient=True, losses=True, weights=True, device=CONTEXT)


def buffer(array=None, size=0):
    flags = cl.mem_flags.READ_WRITE
    if array is None:
        return cl.Buffer(CL, flags, size)
    return cl.Buffer(CL, flags | cl.mem_flags.COPY_HOST_PTR, hostbuf=np.ascontiguousarray(array))


def contents(queue, place, shape, kind=np.float32):
    array = np.empty(shape, kind)
    cl.enqueue_copy(queue, array, place)
    return array


class Interop(unittest.TestCase):
    def setUp(self):
        self.queue = cl.CommandQueue(CL)
        self.plan = libclmp.Plan(CONTEXT, **SHAPE)
        self.places = {
            "logits": buffer(LOGITS),
            "labels": buffer(LABELS),
            "gradient": buffer(size=LOGITS.nbytes),
            "result": buffer(size=self.plan.result_size),
        }

    def loss(self):
        return libclmp.read_results(self.queue, self.places["result"])[0]

    def test_a_step_gives_the_bits_that_arrays_get(self):
        more = {name: buffer(size=4 * LABELS.size) for name in ("losses", "weights")}
        event = self.plan.enqueue_gradient(self.queue, **self.places, **more)
        self.assertIsInstance(event, cl.Event)
        event.wait()
        self.assertEqual(self.loss().loss, WANTED.loss)
        self.assertTrue(same_bits(contents(self.queue, self.places["gradient"], LOGITS.shape), WANTED.gradient))
        for name, place in more.items():
            self.assertTrue(same_bits(contents(self.queue, place, LABELS.shape), getattr(WANTED, name)))

    def test_it_waits_for_events_and_not_for_the_device(self):
        gate = cl.UserEvent(CL)
        event = self.plan.enqueue_gradient(self.queue, **self.places, wait_for=[gate])
        self.assertNotEqual(event.command_execution_status, cl.command_execution_status.COMPLETE)
        gate.set_status(cl.command_execution_status.COMPLETE)
        event.wait()
        self.assertEqual(self.loss().loss, WANTED.loss)

    def test_offsets_and_a_workspace_of_the_caller(self):
        before = 256
        packed = buffer(np.concatenate([np.zeros(before // 4, np.float32), LOGITS.ravel()]))
        places = {**self.places, "logits": (packed, before)}
        workspace = buffer(size=128 + self.plan.workspace_size)
        self.plan.enqueue_gradient(self.queue, **places, workspace=(workspace, 128), gradient_scale=2.0)
        self.assertEqual(self.loss().loss, WANTED.loss)
        self.assertTrue(same_bits(contents(self.queue, self.places["gradient"], LOGITS.shape), 2 * WANTED.gradient))
        self.plan.enqueue_gradient(self.queue, **{**places, "gradient": places["logits"]}, in_place=True)
        both = contents(self.queue, packed, LOGITS.size + before // 4)
        self.assertTrue(same_bits(both[before // 4 :].reshape(LOGITS.shape), WANTED.gradient))

    def test_counts_of_a_gradients_range(self):
        counts = buffer(np.array([7, 9, 11], np.uint64))
        self.plan.enqueue_gradient(self.queue, **self.places, gradient_range=(counts, 8), gradient_scale=1e30)
        self.assertEqual(contents(self.queue, counts, (3,), np.uint64).tolist(), [7, 9, 11])
        with self.assertRaises(libclmp.BufferTooSmall):
            self.plan.enqueue_gradient(self.queue, **self.places, gradient_range=(counts, 16))

    def test_arrays_of_pyopencl(self):
        arrays = {
            "logits": cl.array.to_device(self.queue, LOGITS),
            "labels": cl.array.to_device(self.queue, LABELS),
            "gradient": cl.array.empty(self.queue, LOGITS.shape, np.float32),
            "result": cl.array.empty(self.queue, self.plan.result_size, np.uint8),
        }
        self.plan.enqueue_gradient(self.queue, **arrays)
        self.assertTrue(same_bits(arrays["gradient"].get(), WANTED.gradient))
        (found,) = libclmp.read_results(self.queue, arrays["result"].base_data)
        self.assertEqual(found.support, WANTED.support)
        stacked = cl.array.to_device(self.queue, np.stack([LOGITS, LOGITS + 1]))
        self.plan.enqueue_gradient(self.queue, **{**arrays, "logits": stacked[0]})
        self.assertTrue(same_bits(arrays["gradient"].get(), WANTED.gradient))
        for name, array, words in (
            ("logits", cl.array.to_device(self.queue, LOGITS.astype(np.float64)), "float64"),
            ("logits", cl.array.to_device(self.queue, LOGITS[:1]), "(1, 3, 12, 13)"),
            ("labels", cl.array.to_device(self.queue, LABELS.astype(np.int32)), "int32"),
            ("labels", cl.array.to_device(self.queue, np.asfortranarray(LABELS)), "strides"),
            ("gradient", arrays["labels"], "uint8"),
        ):
            with self.assertRaises(libclmp.InvalidArgument) as caught:
                self.plan.enqueue_gradient(self.queue, **{**arrays, name: array})
            self.assertIn(name, str(caught.exception))
            self.assertIn(words, str(caught.exception))

    def test_the_other_entries(self):
        losses = np.where(LABELS == 255, np.nan, WANTED.losses).astype(np.float32)
        plan = libclmp.Plan(CONTEXT, input="losses", images=2, height=12, width=13)
        weights = buffer(size=losses.nbytes)
        plan.enqueue_weights(self.queue, losses=buffer(losses), weights=weights, result=self.places["result"])
        self.assertTrue(same_bits(contents(self.queue, weights, LABELS.shape), WANTED.weights))
        images = libclmp.Plan(CONTEXT, scope="image", **SHAPE)
        self.assertEqual(images.result_count, 3)
        result = buffer(size=images.result_size)
        images.enqueue_loss(self.queue, logits=self.places["logits"], labels=self.places["labels"], result=result)
        found = libclmp.read_results(self.queue, result, images.result_count)
        each = libclmp.loss(LOGITS, LABELS, scope="image").images
        self.assertEqual([one.loss for one in found[1:]], [one.loss for one in each])
        counts = buffer(np.zeros(2 * 3 + 3, np.uint64))
        labels = libclmp.Plan(CONTEXT, input="labels", **SHAPE)
        labels.enqueue_label_counts(self.queue, labels=self.places["labels"], label_counts=counts)
        found = contents(self.queue, counts, 9, np.uint64)
        self.assertTrue(same_bits(found, libclmp.label_counts(LABELS, 3)))
        matrix = buffer(np.zeros(3 * 3 + 3, np.uint64))
        logits = {name: self.places[name] for name in ("logits", "labels")}
        self.plan.enqueue_confusion(self.queue, **logits, confusion=matrix).wait()
        found = contents(self.queue, matrix, 12, np.uint64)
        self.assertTrue(same_bits(found, libclmp.confusion(LOGITS, LABELS).counts))

    def test_bad_use_is_refused_before_anything_is_enqueued(self):
        small = buffer(size=16)
        other = cl.CommandQueue(cl.Context([CL.devices[0]]))
        for kind, words, queue, places in (
            (libclmp.BufferTooSmall, ["logits"], self.queue, {"logits": small}),
            (libclmp.BufferTooSmall, ["result"], self.queue, {"result": small}),
            (libclmp.BufferOverlap, ["gradient"], self.queue, {"gradient": self.places["logits"]}),
            (libclmp.InvalidArgument, ["offset"], self.queue, {"labels": self.places["labels"], "logits": (small, 3)}),
            (libclmp.InvalidType, ["labels", "PyOpenCL"], self.queue, {"labels": LABELS}),
            (libclmp.InvalidArgument, ["queue", "context"], other, {}),
            (libclmp.InvalidType, ["queue"], None, {}),
            (libclmp.InvalidType, ["step", "1.5"], self.queue, {"step": 1.5}),
            (libclmp.InvalidArgument, ["gradient_scale"], self.queue, {"gradient_scale": float("inf")}),
        ):
            with self.subTest(words), self.assertRaises(kind) as caught:
                self.plan.enqueue_gradient(queue, **{**self.places, **places})
            for word in words:
                self.assertIn(word, str(caught.exception))
        with self.assertRaises(libclmp.InvalidArgument) as caught:
            self.plan.enqueue_weights(self.queue, losses=small, result=small)
        self.assertIn("input", str(caught.exception))
        with self.assertRaises(libclmp.InvalidType):
            libclmp.Plan(CONTEXT, clases=3)
        with self.assertRaises(libclmp.InvalidArgument):
            libclmp.Plan(CONTEXT)

    def test_a_plan_keeps_its_context_and_may_go_before_its_work(self):
        context = libclmp.Context.from_pyopencl(CL, CL.devices[0])
        plan = libclmp.Plan(context, **SHAPE)
        del context
        event = plan.enqueue_gradient(self.queue, **self.places)
        del plan
        gc.collect()
        event.wait()
        self.assertEqual(self.loss().loss, WANTED.loss)

    def test_an_interpreter_may_end_with_work_in_flight(self):
        code = """
import numpy as np, pyopencl as cl, libclmp
ctx = cl.Context([next(d for p in cl.get_platforms() for d in p.get_devices())])
queue = cl.CommandQueue(ctx)
plan = libclmp.Plan(libclmp.Context.from_pyopencl(ctx), classes=8, height=512, width=512)
x = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 8 * 512 * 512 * 4)
y, g, r = (cl.Buffer(ctx, cl.mem_flags.READ_WRITE, n) for n in (512 * 512, 8 * 512 * 512 * 4, plan.result_size))
cl.enqueue_fill_buffer(queue, x, np.float32(0), 0, x.size)
cl.enqueue_fill_buffer(queue, y, np.uint8(0), 0, y.size)
plan.enqueue_gradient(queue, logits=x, labels=y, gradient=g, result=r)
queue.flush()
"""
        run = python(code)
        self.assertEqual((run.returncode, run.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
