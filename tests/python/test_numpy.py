"""NumPy arrays in, arrays out.

SPDX-License-Identifier: Apache-2.0
"""

import dataclasses
import doctest
import itertools
import threading
import unittest
from unittest import mock

import numpy as np
import peer_reference
from support import problem, same_bits

import libclmp
from libclmp import _arrays, _engine, _header, _numpy, _plan


def bits(result):
    """The numbers of a result."""
    return [getattr(result, field.name) for field in dataclasses.fields(_header.Result)]


class Loss(unittest.TestCase):
    def test_it_is_what_long_double_says(self):
        for seed, (p, support) in enumerate([(1.05, 0.1), (1.3, 0.5), (1.7, 0.25), (4.0, 0.9)]):
            logits, labels = problem((2, 5, 17, 23), seed, scale=10.0**seed)
            step = libclmp.loss(logits, labels, p=p, support=support, gradient=True, losses=True)
            reference = peer_reference.Reference(logits.reshape(2, 5, -1), labels.reshape(2, -1), 255)
            truth = reference.max_pooling(p, support)
            self.assertLess(abs(step.loss - truth.loss) / truth.loss, 4e-6)
            (error,) = reference.largest_errors([(truth, step.gradient.reshape(2, 5, -1))])
            self.assertLess(error, 4e-6 + 2e-5 / (p - 1))
            self.assertEqual(step.valid, int((labels != 255).sum()))
            self.assertEqual(step.ignored, int((labels == 255).sum()))
            self.assertEqual(step.pixels, labels.size)

    def test_strides_that_a_plan_takes_are_not_copied_and_change_no_bit(self):
        logits, labels = problem((2, 3, 6, 7))
        wanted = libclmp.loss(logits, labels, gradient=True)
        padded = np.zeros((2, 3, 6, 11), np.float32)[..., :7]
        padded[:] = logits
        last = np.ascontiguousarray(logits.transpose(0, 2, 3, 1))
        padded_last = np.zeros((2, 6, 9, 3), np.float32)[:, :, :7]
        padded_last[:] = last
        for name, array, layout in (
            ("padded rows", padded, "nchw"),
            ("classes last, seen as first", last.transpose(0, 3, 1, 2), "nchw"),
            ("classes last", last, "nhwc"),
            ("classes last, padded rows", padded_last, "nhwc"),
            ("classes first, seen as last", logits.transpose(0, 2, 3, 1), "nhwc"),
        ):
            with self.subTest(name):
                taken = _arrays.take_logits(array, layout)
                self.assertTrue(np.shares_memory(taken.array, array))
                step = libclmp.loss(array, labels, gradient=True, layout=layout)
                gradient = step.gradient if layout == "nchw" else step.gradient.transpose(0, 3, 1, 2)
                self.assertEqual(step.gradient.strides, array.strides)
                self.assertEqual(bits(step), bits(wanted))
                self.assertTrue(same_bits(gradient, wanted.gradient))

    def test_other_strides_are_copied_and_change_no_bit(self):
        logits, labels = problem((2, 3, 6, 7))
        wanted = libclmp.loss(logits, labels, gradient=True)
        wide = np.zeros((2, 3, 6, 14), np.float32)[..., ::2]
        wide[:] = logits
        behind = np.zeros(logits.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(logits.shape)
        behind[:] = logits
        transposed = np.ascontiguousarray(logits.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2)
        for name, array in (
            ("every second", wide),
            ("backwards", np.ascontiguousarray(logits[..., ::-1])[..., ::-1]),
            ("big-endian", logits.astype(">f4")),
            ("not aligned", behind),
            ("columns first", transposed),
            ("Fortran", np.asfortranarray(logits)),
        ):
            with self.subTest(name):
                step = libclmp.loss(array, labels, gradient=True)
                self.assertEqual(bits(step), bits(wanted))
                self.assertTrue(same_bits(step.gradient, wanted.gradient))
        read_only = logits.copy()
        read_only.flags.writeable = False
        self.assertEqual(bits(libclmp.loss(read_only, labels)), bits(wanted))

    def test_one_image_goes_without_its_axis(self):
        logits, labels = problem((1, 3, 6, 7))
        wanted = libclmp.loss(logits, labels, gradient=True, weights=True)
        step = libclmp.loss(logits[0], labels[0], gradient=True, weights=True)
        self.assertEqual(bits(step), bits(wanted))
        self.assertTrue(same_bits(step.gradient, wanted.gradient[0]))
        self.assertTrue(same_bits(step.weights, wanted.weights[0]))
        last = libclmp.loss(logits[0].transpose(1, 2, 0), labels[0], gradient=True, layout="nhwc")
        self.assertTrue(same_bits(last.gradient.transpose(2, 0, 1), wanted.gradient[0]))
        with_axis = libclmp.loss(logits, labels[:, None], weights=True)
        self.assertTrue(same_bits(with_axis.weights[:, 0], wanted.weights))

    def test_labels_of_any_integer_type_are_the_same_labels(self):
        logits, labels = problem((1, 4, 9, 8), ignored=100)
        wanted = libclmp.loss(logits, labels, ignore_index=100, gradient=True)
        for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4"):
            with self.subTest(kind):
                step = libclmp.loss(logits, labels.astype(kind), ignore_index=100, gradient=True)
                self.assertEqual(bits(step), bits(wanted))
                self.assertTrue(same_bits(step.gradient, wanted.gradient))
        two, half = problem((1, 2, 9, 8), ignored=None)
        self.assertEqual(bits(libclmp.loss(two, half.astype(bool))), bits(libclmp.loss(two, half)))
        large = labels.astype(np.uint64)
        large[0, 0, :3] = 2**64 - 1
        step = libclmp.loss(logits, large, ignore_index=-1)
        self.assertEqual(step.invalid_labels, int((labels == 100).sum() + (labels[0, 0, :3] != 100).sum()))
        self.assertEqual(step.ignored, 0)

    def test_types_of_16_bits_are_those_values(self):
        kinds = ["float16"]
        try:
            import ml_dtypes

            kinds.append(ml_dtypes.bfloat16)
        except ImportError:
            pass
        for kind in kinds:
            logits, labels = problem((1, 4, 9, 8), dtype=kind)
            step = libclmp.loss(logits, labels, gradient=True, gradient_scale=1024.0)
            wide = libclmp.loss(logits.astype(np.float32), labels, gradient=True, gradient_scale=1024.0)
            self.assertEqual(bits(step)[:9], bits(wide)[:9])
            self.assertTrue(same_bits(step.gradient, wide.gradient.astype(kind)))
            self.assertIsNone(wide.gradient_overflowed)
            self.assertIsNone(libclmp.loss(logits, labels).gradient_overflowed)

    def test_a_gradient_in_float16_says_what_it_has_no_room_for(self):
        logits, labels = problem((2, 4, 9, 8), dtype="float16")
        for layout in ("nchw", "nhwc"):
            x = logits if layout == "nchw" else np.ascontiguousarray(logits.transpose(0, 2, 3, 1))
            for scale in (1.0, 2.0**-10, 1e7, 1e12, 2.0**-100):
                step = libclmp.loss(x, labels, gradient=True, gradient_scale=scale, layout=layout)
                wide = libclmp.loss(x.astype(np.float32), labels, gradient=True, gradient_scale=scale, layout=layout)
                self.assertEqual(step.gradient_overflowed, np.isinf(step.gradient).sum())
                self.assertEqual(step.gradient_underflowed, ((step.gradient == 0) & (wide.gradient != 0)).sum())
        self.assertGreater(libclmp.loss(logits, labels, gradient=True, gradient_scale=1e12).gradient_overflowed, 0)

    def test_smaller_logits_are_interpolated(self):
        logits, labels = problem((2, 3, 5, 6), size=(20, 23))
        for corners in (False, True):
            step = libclmp.loss(logits, labels, align_corners=corners, gradient=True, losses=True)
            truth = peer_reference.Interpolated(logits, labels, 255, corners)
            pooled = truth.max_pooling(1.7, 0.25)
            self.assertLess(abs(step.loss - pooled.loss) / pooled.loss, 4e-6)
            (error,) = truth.largest_errors([(pooled, step.gradient)])
            self.assertLess(error, 1e-5)

    def test_each_image_is_a_pool(self):
        logits, labels = problem((3, 4, 8, 9))
        step = libclmp.loss(logits, labels, scope="image", weights=True)
        alone = [libclmp.loss(x, y, weights=True) for x, y in zip(logits, labels)]
        self.assertEqual([bits(one) for one in step.images], [bits(one) for one in alone])
        self.assertTrue(same_bits(step.weights, np.stack([one.weights for one in alone])))

    def test_every_word_of_every_option_is_taken(self):
        logits, labels = problem((2, 2, 8, 9), ignored=None)
        binary = (np.arange(2)[None, :, None, None] == labels[:, None]).astype(np.uint8)
        for field, kind in _header.FIELD_ENUMS.items():
            if field not in _header.PlanFields.__annotations__:
                continue
            for member in kind:
                word = member.name.lower().replace("_", "-")
                y = binary if field == "loss" and "binary" in word else labels
                mean = {} if field == "weighting" else {"weighting": "uniform"}  # which goes with all of them
                by_name = libclmp.loss(logits, y, **{field: word}, **mean)
                for value in (member, int(member)):
                    self.assertEqual(bits(by_name), bits(libclmp.loss(logits, y, **{field: value}, **mean)), (field, word))
        bce = libclmp.loss(logits, binary, loss="bce", losses=True)
        self.assertEqual(bce.losses.shape, binary.shape)
        self.assertEqual(bce.pixels, binary.size)

    def test_class_weights_and_scales_multiply(self):
        logits, labels = problem((1, 3, 8, 9))
        weights = [0.5, 2.0, 1.0]
        plain = libclmp.loss(logits, labels, losses=True)
        step = libclmp.loss(logits, labels, losses=True, gradient=True, class_weights=weights)
        factor = np.array(weights + [0.0], np.float32)[np.where(labels == 255, 3, labels)]
        self.assertTrue(same_bits(step.losses, plain.losses * factor))
        scaled = libclmp.loss(logits, labels, gradient=True, gradient_scale=4.0, class_weights=np.array(weights))
        self.assertTrue(same_bits(scaled.gradient, 4 * step.gradient))

    def test_draws_change_with_the_step(self):
        logits, labels = problem((1, 3, 30, 31))
        options = {"weighting": "balanced", "seed": 7, "weights": True}
        one, again, next_one = (libclmp.loss(logits, labels, step=step, **options).weights for step in (1, 1, 2))
        self.assertTrue(same_bits(one, again))
        self.assertFalse(same_bits(one, next_one))

    def test_a_device_with_memory_of_its_own_gives_the_same(self):
        logits, labels = problem((2, 3, 12, 13))
        options = {"gradient": True, "losses": True, "weights": True}
        shared = libclmp.loss(logits, labels, **options)
        with mock.patch.object(_plan.Context, "is_cpu", False):
            context = libclmp.Context.open()
            for _ in range(2):  # the second with what the first left
                own = libclmp.loss(logits, labels, device=context, **options)
                self.assertEqual(bits(own), bits(shared))
                for name in options:
                    self.assertTrue(same_bits(getattr(own, name), getattr(shared, name)))
            counts = libclmp.label_counts(labels, 3, device=context)
            self.assertTrue(same_bits(counts, libclmp.label_counts(labels, 3)))

    def test_a_result_is_frozen(self):
        step = libclmp.loss(*problem((1, 2, 3, 4)))
        with self.assertRaises(dataclasses.FrozenInstanceError):
            step.loss = 0.0


class Others(unittest.TestCase):
    def test_weights_are_those_of_the_losses(self):
        logits, labels = problem((2, 4, 9, 10))
        for scope in ("batch", "image"):
            step = libclmp.loss(logits, labels, losses=True, weights=True, scope=scope, p=1.3)
            losses = np.where(labels == 255, np.nan, step.losses).astype(np.float32)
            pooled = libclmp.weights(losses, scope=scope, p=1.3)
            self.assertTrue(same_bits(pooled.weights, step.weights))
            self.assertEqual((pooled.loss, pooled.alpha, pooled.tau), (step.loss, step.alpha, step.tau))
            self.assertEqual(pooled.nonfinite, step.ignored)
            self.assertEqual(len(pooled.images), len(step.images))
        ohem = {"weighting": "ohem", "ohem_thresh": 0.999, "ohem_min_kept": 20}  # of each image
        step = libclmp.loss(logits, labels, losses=True, weights=True, **ohem)
        losses = np.where(labels == 255, np.nan, step.losses).astype(np.float32)
        self.assertTrue(same_bits(libclmp.weights(losses, **ohem).weights, step.weights))
        one = libclmp.weights(losses[0], **ohem)  # rows of pixels are no images
        self.assertTrue(same_bits(one.weights.ravel(), libclmp.weights(losses[0].ravel(), **ohem).weights))
        self.assertLess(one.support, losses[0].size)
        odd = np.frombuffer(bytes(1) + losses[0].tobytes(), np.float32, offset=1)  # aligned to nothing
        self.assertTrue(same_bits(libclmp.weights(odd, **ohem).weights, one.weights.ravel()))
        flat = libclmp.weights(np.array([1, 2, 3, 4], np.float32), p=1, support=0.5)
        self.assertEqual(flat.weights.tolist(), [0.0, 0.0, 0.5, 0.5])

    def test_label_counts_add_up_over_maps(self):
        _, labels = problem((4, 5, 9, 10), labels=np.int32)
        labels[2] = 3
        counts = libclmp.label_counts(labels, 5)
        valid = labels != 255
        self.assertEqual(counts[:5].tolist(), np.bincount(labels[valid], minlength=5).tolist())
        has = [sum(int(v.sum()) for one, v in zip(labels, valid) if (one == c).any()) for c in range(5)]
        self.assertEqual(counts[5:10].tolist(), has)
        self.assertEqual(counts[10:].tolist(), [int((~valid).sum()), 0, 4])
        maps = [labels[0].astype(np.uint8), labels[1, :, :], labels[2:].astype(np.int64)]
        self.assertTrue(same_bits(libclmp.label_counts(iter(maps), 5), counts))

    def test_class_weights_are_their_equation(self):
        _, labels = problem((4, 5, 9, 10))
        counts = libclmp.label_counts(labels, 5)
        n = counts[:5].astype(float)
        expected = n.sum() / (5 * n)
        for found in (libclmp.class_weights(labels, 5), libclmp.class_weights(counts=counts)):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        root = libclmp.class_weights(counts=counts, scheme="inverse-sqrt")
        np.testing.assert_allclose(root, np.sqrt(expected), rtol=1e-6)
        enet = libclmp.class_weights(counts=counts, scheme="enet", enet_offset=1.1)
        np.testing.assert_allclose(enet, 1 / np.log(1.1 + n / n.sum()), rtol=1e-6)

    def test_a_confusion_matrix_counts_predictions(self):
        logits, labels = problem((2, 4, 9, 10))
        logits[0, 1, 2, 3] = np.nan
        labels[0, 2, 3], labels[1, 1, 1] = 1, 9
        found = libclmp.confusion(logits, labels)
        valid = (labels < 4) & ~np.isnan(logits).any(1)
        matrix = np.zeros((4, 4), np.uint64)
        np.add.at(matrix, (labels[valid], logits.argmax(1)[valid]), 1)
        self.assertTrue(same_bits(found.matrix, matrix))
        self.assertEqual((found.ignored, found.invalid_labels, found.unpredicted), ((labels == 255).sum(), 1, 1))
        right = np.diag(matrix).astype(float)
        union = matrix.sum(0) + matrix.sum(1) - right
        np.testing.assert_allclose(found.iou, right / union)
        np.testing.assert_allclose(found.accuracy, right / matrix.sum(1))
        self.assertAlmostEqual(found.mean_iou, (right / union).mean())
        self.assertAlmostEqual(found.mean_accuracy, (right / matrix.sum(1)).mean())
        self.assertAlmostEqual(found.pixel_accuracy, right.sum() / matrix.sum())
        self.assertTrue(same_bits((found + found).matrix, 2 * matrix))

    def test_devices_are_listed(self):
        listed = libclmp.devices()
        self.assertTrue(listed)
        self.assertTrue(any(device.supported for device in listed))
        self.assertIn(listed[0].type, ("CPU", "GPU", "accelerator", "other"))

    def test_examples_of_docstrings_are_true(self):
        for module in (libclmp, _numpy):
            found = doctest.testmod(module, extraglobs={"libclmp": libclmp, "np": np})
            self.assertEqual(found.failed, 0)
            self.assertGreater(found.attempted, 0)


class Plans(unittest.TestCase):
    def test_few_are_kept(self):
        context = libclmp.Context.open()
        kept = _engine.engine(context)
        for width in range(_engine.KEPT_PLANS + 4):
            libclmp.weights(np.ones(1 + width, np.float32), device=context)
        self.assertEqual(kept._count, _engine.KEPT_PLANS)
        before = list(itertools.chain(*kept._idle.values()))
        libclmp.weights(np.ones(1 + width, np.float32), device=context)
        after = list(itertools.chain(*kept._idle.values()))
        self.assertEqual(set(map(id, before)), set(map(id, after)))  # and used again
        kept.clear()
        self.assertEqual(kept._count, 0)

    def test_threads_do_not_meet(self):
        problems = [problem((1, 3, 40, 41), seed) for seed in range(4)]
        wanted = [libclmp.loss(x, y, gradient=True) for x, y in problems]
        wrong = []

        def work(i):
            for _ in range(8):
                step = libclmp.loss(*problems[i], gradient=True)
                if bits(step) != bits(wanted[i]) or not same_bits(step.gradient, wanted[i].gradient):
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
