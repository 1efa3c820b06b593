"""Modules of libclmp.torch: against torch's own losses and published definitions, and as autograd wants them.

SPDX-License-Identifier: Apache-2.0
"""

import copy
import doctest
import io
import pickle
import threading
import unittest
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from support import SEED, problem, python, same_bits

import libclmp
import libclmp.torch as modules
from libclmp import _torch
from libclmp.torch import CrossEntropyLoss, FocalLoss, LossMaxPooling, OhemCrossEntropy, PooledLoss, TopKCrossEntropy

torch.set_num_threads(1)


def tensors(shape, seed=0, dtype=torch.float32, ignored=255, **more):
    """Logits that want a gradient, and int64 labels."""
    logits, labels = problem(shape, seed, labels=np.int64, ignored=ignored, **more)
    return torch.from_numpy(logits).to(dtype).requires_grad_(), torch.from_numpy(labels)


def step(module, logits, labels):
    """The loss, and the gradient, by themselves."""
    logits = logits.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    loss = module(logits, labels)
    loss.backward()
    return loss.detach(), logits.grad


class Same(unittest.TestCase):
    """The numbers of others."""

    def close(self, found, expected, tolerance=4e-6):
        for one, other in zip(found, expected):
            unit = float(other.abs().max()) or 1.0
            self.assertLess(float((one.double() - other.double()).abs().max()) / unit, tolerance)

    def test_arrays_get_the_same_bits(self):
        logits, labels = tensors((2, 5, 12, 13))
        loss, gradient = step(LossMaxPooling(p=1.3, support=0.4), logits, labels)
        wanted = libclmp.loss(logits.detach().numpy(), labels.numpy(), p=1.3, support=0.4, gradient=True)
        self.assertEqual(loss.item(), wanted.loss)
        self.assertTrue(same_bits(gradient.numpy(), wanted.gradient))

    def test_cross_entropy_is_torchs(self):
        weight = torch.tensor([0.5, 2.0, 1.0, 0.0, 7.0])
        for seed, options in enumerate(
            [{}, {"weight": weight}, {"label_smoothing": 0.1}, {"weight": weight, "label_smoothing": 0.3}, {"ignore_index": 3}]
        ):
            for scale in (0.01, 3.0, 300.0):
                with self.subTest(options=options, scale=scale):
                    ignored = options.get("ignore_index", -100)
                    logits, labels = tensors((2, 5, 12, 13), seed, scale=scale, ignored=ignored)
                    found = step(CrossEntropyLoss(**options), logits, labels)
                    expected = step(torch.nn.CrossEntropyLoss(**options).double(), logits.double(), labels)
                    self.close(found, expected)
        with self.assertRaises(libclmp.InvalidArgument):
            CrossEntropyLoss(reduction="sum")

    def test_smaller_logits_are_interpolated_as_by_torch(self):
        logits, labels = tensors((2, 5, 6, 7), size=(24, 25), ignored=-100)
        for corners in (False, True):
            found = step(CrossEntropyLoss(align_corners=corners), logits, labels)

            def interpolated(x, y):
                x = F.interpolate(x, size=y.shape[-2:], mode="bilinear", align_corners=corners)
                return F.cross_entropy(x, y)

            self.close(found, step(interpolated, logits.double(), labels), 2e-5)

    def test_focal_is_that_of_its_papers_and_toolboxes(self):
        def softmax(x, y):
            log_p = F.log_softmax(x, 1)
            p = log_p.exp().gather(1, y.clamp(max=4)[:, None])[:, 0]
            loss = (1 - p) ** 2.0 * F.nll_loss(log_p, y, ignore_index=255, reduction="none") * 0.25
            return loss[y != 255].mean()

        def sigmoid(x, y, alpha=None, gamma=2.0):  # segmentation_models_pytorch.losses.FocalLoss, by definition
            valid = y != 255
            x, y = x[valid], y[valid].to(x.dtype)
            log_p = F.binary_cross_entropy_with_logits(x, y, reduction="none")
            loss = (1 - torch.exp(-log_p)) ** gamma * log_p
            if alpha is not None:
                loss = loss * (alpha * y + (1 - alpha) * (1 - y))
            return loss.mean()

        def each(x, y, **options):
            at = [torch.where(y == 255, 255, (y == c).long()) for c in range(x.shape[1])]
            return sum(sigmoid(x[:, c], one, **options) for c, one in enumerate(at)) / x.shape[1]

        logits, labels = tensors((2, 5, 12, 13))
        self.close(step(FocalLoss(alpha=0.25), logits, labels), step(softmax, logits.double(), labels), 1e-5)
        for options in ({}, {"alpha": 0.25, "gamma": 1.5}):
            found = step(FocalLoss("multiclass", **options), logits, labels)
            self.close(found, step(lambda x, y: each(x, y, **options), logits.double(), labels), 1e-5)
            one, half = tensors((2, 1, 12, 13))
            half = torch.where(half == 255, 255, (torch.rand(half.shape) < 0.3).long())
            expected = step(lambda x, y: sigmoid(x[:, 0], y, **options), one.double(), half)
            self.close(step(FocalLoss("binary", **options), one, half), expected, 1e-5)
            many = torch.where(labels[:, None] == 255, 255, (torch.rand(logits.shape) < 0.3).long())
            expected = step(lambda x, y: sigmoid(x, y, **options), logits.double(), many)
            self.close(step(FocalLoss("multilabel", **options), logits, many), expected, 1e-5)
        with self.assertRaises(libclmp.InvalidArgument):
            FocalLoss("sigmoid")

    def test_ohem_keeps_what_mmsegmentation_keeps(self):
        def ohem(x, y, thresh, min_kept):  # mmsegmentation's OHEMPixelSampler.sample(), by definition
            with torch.no_grad():
                batch_kept = min_kept * y.size(0)
                valid = y != 255
                weight = torch.zeros(y.shape)
                label = y.clone()
                label[~valid] = 0
                probability = F.softmax(x, dim=1).gather(1, label.unsqueeze(1)).squeeze(1)
                ordered, _ = probability[valid].sort()
                if ordered.numel() > 0:
                    threshold = max(ordered[min(batch_kept, ordered.numel() - 1)], thresh)
                    weight[valid & (probability < threshold)] = 1.0
            losses = F.cross_entropy(x, y, ignore_index=255, reduction="none")
            return (losses * weight).sum() / weight.sum()

        for seed, (thresh, kept, scale) in enumerate([(0.7, 10, 3.0), (0.3, 40, 3.0), (0.7, 100, 9.0), (0.999, 1, 1.0)]):
            logits, labels = tensors((2, 5, 12, 13), seed, scale=scale)
            module = OhemCrossEntropy(thresh, kept)
            expected = step(lambda x, y: ohem(x, y, thresh, kept), logits.double(), labels)
            self.close(step(module, logits, labels), expected, 1e-5)

    def test_topk_is_the_mean_of_the_hardest(self):
        def topk(x, y):  # nnU-Net's TopKLoss, over the valid pixels
            losses = F.cross_entropy(x, y, ignore_index=255, reduction="none")[y != 255]
            return losses.topk(int(losses.numel() * 0.1), sorted=False)[0].mean()

        logits, labels = tensors((1, 5, 10, 20))
        labels[labels == 255] = 0
        self.close(step(TopKCrossEntropy(10), logits, labels), step(topk, logits.double(), labels), 1e-5)
        with self.assertRaises(libclmp.InvalidArgument):
            TopKCrossEntropy(0)

    def test_layouts_types_and_strides_change_nothing(self):
        logits, labels = tensors((2, 5, 12, 13))
        module = LossMaxPooling()
        wanted = step(module, logits, labels)
        wide = torch.zeros(2, 5, 12, 16)[..., :13]
        wide.copy_(logits.detach())
        for name, x in (
            ("channels_last", logits.detach().to(memory_format=torch.channels_last)),
            ("padded rows", wide),
            ("transposed", logits.detach().transpose(2, 3).contiguous().transpose(2, 3)),
        ):
            with self.subTest(name):
                x = x.requires_grad_()
                loss = module(x, labels)
                loss.backward()
                self.assertEqual(loss.item(), wanted[0].item())
                self.assertTrue(same_bits(x.grad.numpy(), wanted[1].numpy()))
        last = logits.detach().to(memory_format=torch.channels_last).requires_grad_()
        (gradient,) = torch.autograd.grad(module(last, labels), last)
        self.assertEqual(gradient.stride(), last.stride())
        small = torch.where(labels == 255, 100, labels)
        kinds = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
        kinds += [getattr(torch, name) for name in ("uint16", "uint32") if hasattr(torch, name)]
        for kind in kinds:
            found = step(LossMaxPooling(ignore_index=100), logits, small.to(kind)[:, None])
            self.assertTrue(same_bits(found[1].numpy(), wanted[1].numpy()), kind)

    def test_types_of_16_bits(self):
        for kind in (torch.float16, torch.bfloat16):
            logits, labels = tensors((2, 5, 12, 13), dtype=kind)
            module = LossMaxPooling()
            wide, gradient = step(module, logits.float(), labels)
            loss, found = step(module, logits, labels)
            self.assertEqual((loss.dtype, found.dtype), (torch.float32, kind))
            self.assertEqual(loss.item(), wide.item())
            self.assertTrue(torch.equal(found, gradient.to(kind)))


class Autograd(unittest.TestCase):
    def test_gradcheck(self):
        for module in (LossMaxPooling(), TopKCrossEntropy(50), FocalLoss(), CrossEntropyLoss(torch.rand(3) + 0.5)):
            logits, labels = tensors((1, 3, 3, 4), seed=SEED, scale=1.0)

            def wide(x):
                return module(x.float(), labels).double()

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                x = logits.detach().double().requires_grad_()
                self.assertTrue(torch.autograd.gradcheck(wide, (x,), eps=1e-2, atol=2e-3, rtol=1e-2, nondet_tol=0.0))

    def test_there_is_no_second_derivative_and_it_says_so(self):
        logits, labels = tensors((1, 3, 3, 4))
        for factor in (1.0, logits.sum()):
            (first,) = torch.autograd.grad(LossMaxPooling()(logits, labels) * factor, logits, create_graph=True)
            with self.assertRaisesRegex(RuntimeError, "no second derivative"):
                first.sum().backward()

    def test_gradients_scale_and_accumulate(self):
        for kind in (torch.float32, torch.float16):
            logits, labels = tensors((2, 5, 12, 13), dtype=kind)
            module = LossMaxPooling()
            x, y = logits.detach().float().numpy(), labels.numpy()

            def wanted(scale):
                scaled = libclmp.loss(x, y, gradient=True, gradient_scale=scale).gradient
                return torch.from_numpy(scaled).to(kind)

            for scale in (1.0, 1.0, 65536.0, 65536.0, 0.25, 0.0, 1.0):  # the first of each is another than before
                logits.grad = None
                (module(logits, labels) * scale).backward()
                self.assertTrue(torch.equal(logits.grad, wanted(scale)), (kind, scale))
            for lost in (1e-37, 1e37):  # most of a gradient made with it is 0, or the largest float
                (module(logits, labels) * lost).backward()
                logits.grad = None
                module(logits, labels).backward()
                self.assertTrue(torch.equal(logits.grad, wanted(1.0)), (kind, lost))
            logits.grad = None
            for _ in range(3):
                module(logits, labels).backward()
            self.assertTrue(torch.equal(logits.grad, wanted(1.0) + wanted(1.0) + wanted(1.0)))

    def test_small_gradients_of_16_bits_survive_a_loss_scale(self):
        logits, labels = tensors((1, 3, 100, 400), dtype=torch.float16, scale=0.1)
        module = LossMaxPooling(p=float("inf"))
        (module(logits, labels) * 2.0**14).backward()
        scaled = logits.grad.float() / 2.0**14
        x = logits.detach().float().requires_grad_()
        module(x, labels).backward()
        self.assertLess(float(((scaled - x.grad).abs() / x.grad.abs().clamp(min=1e-7)).max()), 1e-3)

    def test_not_finite_scales_flow_on(self):
        logits, labels = tensors((1, 3, 4, 5))
        (LossMaxPooling()(logits, labels) * float("nan")).backward()
        self.assertTrue(bool(torch.isnan(logits.grad).all()))
        logits.grad = None
        (LossMaxPooling()(logits, labels) * float("inf")).backward()
        self.assertFalse(bool(torch.isfinite(logits.grad).all()))

    def test_backward_may_run_again_where_it_was_asked_to(self):
        logits, labels = tensors((1, 3, 4, 5))
        loss = LossMaxPooling()(logits, labels)
        loss.backward(retain_graph=True)
        first = logits.grad.clone()
        logits.grad = None
        loss.backward()
        self.assertTrue(torch.equal(logits.grad, first))
        with self.assertRaisesRegex(RuntimeError, "second time"):
            loss.backward()

    def test_it_is_part_of_a_network(self):
        torch.manual_seed(SEED)
        net = torch.nn.Conv2d(2, 3, 3, padding=1)
        image, (_, labels) = torch.rand(1, 2, 8, 9), tensors((1, 3, 8, 9))
        loss = LossMaxPooling()
        optimizer = torch.optim.SGD(net.parameters(), 0.5)
        values = []
        for _ in range(20):
            optimizer.zero_grad()
            value = loss(net(image), labels)
            value.backward()
            optimizer.step()
            values.append(value.item())
        self.assertLess(values[-1], values[0])

    def test_without_a_gradient_none_is_made(self):
        logits, labels = tensors((1, 3, 4, 5))
        module = LossMaxPooling()
        with torch.no_grad():
            value = module(logits, labels)
        self.assertFalse(value.requires_grad)
        self.assertFalse(module(logits.detach(), labels).requires_grad)
        self.assertEqual(value.item(), module(logits, labels).item())

    def test_the_callers_tensors_are_used_where_they_lie(self):
        logits, labels = tensors((1, 3, 4, 5))
        for x in (logits, logits.detach().to(memory_format=torch.channels_last)):
            self.assertEqual(_torch._as_it_lies(x.detach())[0].data_ptr(), x.data_ptr())
        self.assertEqual(_torch.host_labels(labels).data_ptr(), labels.data_ptr())
        loss = LossMaxPooling()(logits, labels)
        kept = loss.grad_fn.gradient.data_ptr()
        loss.backward()
        self.assertEqual(logits.grad.data_ptr(), kept)  # handed on, not copied

    def test_autocast(self):
        net = torch.nn.Conv2d(2, 3, 1)
        _, labels = tensors((1, 3, 8, 9))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(torch.rand(1, 2, 8, 9))
            loss = LossMaxPooling()(logits, labels)
        self.assertEqual((logits.dtype, loss.dtype), (torch.bfloat16, torch.float32))
        loss.backward()
        self.assertTrue(bool(torch.isfinite(net.weight.grad).all()))


class Modules(unittest.TestCase):
    def test_results_tell_what_was_found(self):
        logits, labels = tensors((2, 5, 12, 13))
        labels[0, 0, 0] = 17
        module = LossMaxPooling(scope="image")
        self.assertIsNone(module.result)
        loss = module(logits, labels)
        wanted = libclmp.loss(logits.detach().numpy(), labels.numpy(), scope="image")
        self.assertEqual(module.result.loss, loss.item())
        self.assertEqual((module.result.valid, module.result.invalid_labels), (wanted.valid, 1))

    def test_they_are_copied_saved_and_shown(self):
        logits, labels = tensors((1, 3, 4, 5))
        module = LossMaxPooling(p=1.3, weight=torch.tensor([1.0, 2.0, 3.0]))
        wanted = step(module, logits, labels)
        file = io.BytesIO()
        torch.save(module.state_dict(), file)
        file.seek(0)
        loaded = LossMaxPooling(p=1.3, weight=torch.ones(3))
        loaded.load_state_dict(torch.load(file))
        for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), loaded):
            found = step(other, logits, labels)
            self.assertTrue(torch.equal(found[1], wanted[1]))
        self.assertIn("p=1.3", repr(module))
        self.assertIn("weighting=lmp", repr(module))

    def test_every_weighting(self):
        logits, labels = tensors((1, 3, 20, 21))
        for weighting in libclmp.Weighting:
            module = PooledLoss(weighting=weighting, seed=5) if weighting == 4 else PooledLoss(weighting=weighting)
            for number in range(2):
                found = step(module, logits, labels)
                wanted = libclmp.loss(
                    logits.detach().numpy(), labels.numpy(), weighting=weighting, gradient=True, seed=5, step=number
                )
                self.assertTrue(same_bits(found[1].numpy(), wanted.gradient), (weighting, number))

    def test_threads(self):
        logits, labels = tensors((1, 3, 40, 41))
        module = LossMaxPooling()
        wanted, wrong = step(module, logits, labels), []

        def work():
            for _ in range(10):
                if not torch.equal(step(module, logits, labels)[1], wanted[1]):
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_workers_of_a_loader(self):
        code = """
import torch, libclmp
from libclmp.torch import LossMaxPooling
class Hard(torch.utils.data.Dataset):  # a set that looks at the losses of its images
    def __len__(self):
        return 4
    def __getitem__(self, i):
        x, y = torch.full((1, 2, 4, 4), float(i)), torch.zeros(1, 4, 4, dtype=torch.int64)
        x[:, 1] = 0
        return LossMaxPooling()(x, y).item()
if __name__ == "__main__":
    before = [float(v) for v in torch.utils.data.DataLoader(Hard(), batch_size=1, num_workers=2)]
    here = [Hard()[i] for i in range(4)]
    try:
        list(torch.utils.data.DataLoader(Hard(), batch_size=1, num_workers=1))
        print("not refused")
    except Exception as error:
        print("Forked" in str(error) and "spawn" in str(error))
    print([round(v, 6) for v in before] == [round(v, 6) for v in here])
"""
        run = python(code)
        self.assertEqual((run.returncode, run.stdout), (0, "True\nTrue\n"), run.stderr)

    def test_bad_input_is_refused(self):
        logits, labels = tensors((2, 3, 4, 5))
        module = LossMaxPooling()
        wrong, type_ = libclmp.InvalidArgument, libclmp.InvalidType
        for kind, words, x, y in (
            (type_, ["logits", "float64"], logits.double(), labels),
            (type_, ["logits", "ndarray"], logits.detach().numpy(), labels),
            (type_, ["labels", "float32"], logits, labels.float()),
            (wrong, ["labels", "gradient"], logits, labels.float().requires_grad_()),
            (wrong, ["logits", "meta"], torch.empty(2, 3, 4, 5, device="meta"), labels),
            (wrong, ["logits", "(0, 3, 4, 5)"], logits[:0], labels[:0]),
            (wrong, ["logits", "(3, 4, 5)"], logits[0], labels[0]),
            (wrong, ["labels", "(1, 4, 5)", "(2, H, W)"], logits, labels[:1]),
            (wrong, ["labels", "(2, 3, 4, 5)"], logits, labels[:, None].expand(2, 3, 4, 5)),
            (wrong, ["logits are 4 x 5", "3 x 5"], logits, labels[:, :3]),
            (wrong, ["layout"], logits.detach().to_sparse(), labels),
        ):
            with self.subTest(words), self.assertRaises(kind) as caught:
                module(x, y)
            for word in words:
                self.assertIn(word, str(caught.exception))
        for kind, words, options in (
            (type_, ["'suport'", "'support'"], {"suport": 1}),
            (type_, ["'class_weights'"], {"class_weights": [1, 2]}),
            (type_, ["p is 'x'"], {"p": "x"}),
            (wrong, ["scope is 'all'"], {"scope": "all"}),
            (wrong, ["weight", "nan"], {"weight": torch.tensor([1.0, float("nan")])}),
            (wrong, ["weight", "(1, 2)"], {"weight": torch.ones(1, 2)}),
            (type_, ["device"], {"device": 1}),
        ):
            with self.subTest(words), self.assertRaises(kind) as caught:
                LossMaxPooling(**options)
            for word in words:
                self.assertIn(word, str(caught.exception))
        for words, options in ((["p is 0.5"], {"p": 0.5}), (["weight has 2"], {"weight": torch.ones(2)})):
            with self.assertRaises(wrong) as caught:
                LossMaxPooling(**options)(logits, labels)
            self.assertIn(words[0], str(caught.exception))

    def test_examples_of_docstrings_are_true(self):
        found = doctest.testmod(modules)
        self.assertEqual(found.failed, 0)
        self.assertGreater(found.attempted, 0)


@unittest.skipUnless(_torch.compiled, "this torch has no torch.library.custom_op")
class Compiled(unittest.TestCase):
    def test_an_operator_is_one_that_torch_believes(self):
        logits, labels = tensors((1, 3, 8, 9))
        text = LossMaxPooling()._text
        torch.library.opcheck(_torch.compiled, (logits, labels, None, text, True, 0), test_utils=("test_schema", "test_faketensor"))

    def test_a_compiled_network_has_no_break(self):
        torch.manual_seed(SEED)
        net, (_, labels) = torch.nn.Conv2d(2, 3, 3, padding=1), tensors((1, 3, 8, 9))
        image, module = torch.rand(1, 2, 8, 9), LossMaxPooling()

        def whole(image, labels):
            return module(net(image), labels)

        expected = whole(image, labels)
        expected.backward()
        gradient = net.weight.grad.clone()
        net.zero_grad()
        for backend in ("eager", "aot_eager"):
            found = torch.compile(whole, backend=backend, fullgraph=True)(image, labels)
            (found * 1.0).backward()
            self.assertEqual(found.item(), expected.item())
            self.assertTrue(torch.allclose(net.weight.grad, gradient, rtol=1e-5, atol=1e-7))
            net.zero_grad()

    def test_16_bits_compiled(self):
        logits, labels = tensors((1, 3, 8, 9), dtype=torch.float16)
        module = LossMaxPooling()
        (module(logits, labels) * 1024.0).backward()
        expected, logits.grad = logits.grad, None
        (torch.compile(module, backend="aot_eager", fullgraph=True)(logits, labels) * 1024.0).backward()
        self.assertTrue(torch.equal(logits.grad, expected))


if __name__ == "__main__":
    unittest.main()
