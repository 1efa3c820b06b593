"""One batch over processes and threads: the bits that one process gives for the whole batch.

SPDX-License-Identifier: Apache-2.0
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

import numpy as np
import torch
from support import problem, same_bits

import libclmp
from libclmp import _opencl
from libclmp.torch import CrossEntropyLoss, LossMaxPooling

IMAGES = 8
LOGITS, LABELS = problem((IMAGES, 5, 12, 13), labels=np.int64)
LABELS[0, 1:] = 255  # the first ranks have less to say
LABELS[1] = 255


class Sums:
    """An allreduce of threads; at its call `failing` it raises in all of them."""

    def __init__(self, size, failing=None):
        self.size, self.failing = size, failing
        self.barrier, self.places = threading.Barrier(size), [None] * size

    def ranks(self, rank):
        calls = 0

        def allreduce(sums):
            nonlocal calls
            if calls == self.failing:
                calls += 1
                raise ConnectionError("the line is cut")
            calls += 1
            self.places[rank] = sums.copy()
            self.barrier.wait(120)
            sums[:] = sum(self.places)
            self.barrier.wait(120)

        return libclmp.Ranks(rank, self.size, allreduce)


def in_threads(size, work):
    """What work(rank) gives in a thread for each rank, or raises."""
    found = [None] * size

    def run(rank):
        try:
            found[rank] = work(rank)
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), name=str(rank)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# A rank, as a process: `communicator` is whatever a group may be.
RANK = """
import sys
import numpy as np, torch, libclmp
from libclmp.torch import LossMaxPooling

def begin():
    given = np.load(sys.argv[1] + "/given.npz")
    share = len(given["labels"]) // size
    mine = slice(rank * share, (rank + 1) * share)
    return given["logits"][mine], given["labels"][mine]

def steps(group, logits, labels):
    found = {}
    step = libclmp.loss(logits, labels, gradient=True, weights=True, group=group)
    found.update(loss=step.loss, gradient=step.gradient, weights=step.weights, valid=step.valid)
    for name, options in (("summed", {"averaged": False}), ("averaged", {})):
        for kind in (torch.float32, torch.float16):
            x = torch.from_numpy(logits).to(kind).requires_grad_()
            module = LossMaxPooling(group=group, **options)
            for _ in range(2):  # the second knows the scale of the first
                x.grad = None
                value = module(x, torch.from_numpy(labels))
                (value * 4.0).backward()
            found[f"{name}_{kind}_loss"] = value.item()
            found[f"{name}_{kind}"] = x.grad.numpy()
    return found
"""

OVER_TORCH = """
import os
import torch.distributed as dist
rank, size = int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method="file://" + sys.argv[1] + "/meeting", rank=rank, world_size=size)
logits, labels = begin()
found = steps("world", logits, labels)
again = libclmp.loss(logits, labels, group=dist.new_group(list(range(size))))
assert again.loss == found["loss"]

def trained(criterion):
    torch.manual_seed(5)
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Conv2d(5, 5, 1))
    criterion(net(torch.from_numpy(logits)), torch.from_numpy(labels)).backward()
    return net.module.weight.grad.numpy()

found["whole"] = trained(LossMaxPooling(group="world"))
found["means"] = trained(LossMaxPooling())
np.savez(f"{sys.argv[1]}/{rank}.npz", **found)
dist.destroy_process_group()
"""

OVER_MPI = """
from mpi4py import MPI
communicator = MPI.COMM_WORLD
rank, size = communicator.Get_rank(), communicator.Get_size()
torch.set_num_threads(1)
np.savez(f"{sys.argv[1]}/{rank}.npz", **steps(communicator, *begin()))
"""


MPIRUN = shutil.which("mpirun.openmpi") or shutil.which("mpirun")  # Debian's mpi4py is built for Open MPI


def has_mpi():
    code = "import mpi4py.MPI"
    return bool(MPIRUN) and subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


class Processes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wanted = libclmp.loss(LOGITS, LABELS, gradient=True, weights=True)
        cls.scaled = libclmp.loss(LOGITS, LABELS, gradient=True, gradient_scale=4.0).gradient
        x = torch.from_numpy(LOGITS).half().requires_grad_()
        (LossMaxPooling()(x, torch.from_numpy(LABELS)) * 4.0).backward()
        cls.halves = x.grad.numpy()

    def ranks(self, size, code, mpi=False):
        """What each rank found."""
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMPI_ALLOW_RUN_AS_ROOT": "1"}
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        with tempfile.TemporaryDirectory() as folder:
            np.savez(os.path.join(folder, "given.npz"), logits=LOGITS, labels=LABELS)
            script = os.path.join(folder, "rank.py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(RANK + code)
            command = [sys.executable, script, folder]
            if mpi:
                commands = [[MPIRUN, "--oversubscribe", "-n", str(size), *command]]
            else:
                commands = [[*command, str(rank), str(size)] for rank in range(size)]
            pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment}
            running = [subprocess.Popen(one, **pipe) for one in commands]
            said = [one.communicate(timeout=400)[0] for one in running]
            self.assertEqual([one.returncode for one in running], [0] * len(running), "\n".join(said))
            return [dict(np.load(os.path.join(folder, f"{rank}.npz"))) for rank in range(size)]

    def hold(self, found):
        """Every rank has the loss of the whole batch, and its own images' part of the gradient."""
        size = len(found)

        def whole(name):
            return np.concatenate([one[name] for one in found])

        for one in found:
            self.assertEqual((one["loss"], one["valid"]), (self.wanted.loss, self.wanted.valid))
            self.assertEqual(one["summed_torch.float32_loss"], self.wanted.loss)
            self.assertEqual(one["averaged_torch.float32_loss"], self.wanted.loss)
        self.assertTrue(same_bits(whole("gradient"), self.wanted.gradient))
        self.assertTrue(same_bits(whole("weights"), self.wanted.weights))
        self.assertTrue(same_bits(whole("summed_torch.float32"), self.scaled))
        self.assertTrue(same_bits(whole("averaged_torch.float32"), size * self.scaled))  # a power of two
        self.assertTrue(same_bits(whole("summed_torch.float16"), self.halves))

    def test_two_and_four_processes_of_torch_are_one(self):
        torch.manual_seed(5)
        net = torch.nn.Conv2d(5, 5, 1)
        x, y = torch.from_numpy(LOGITS), torch.from_numpy(LABELS)
        LossMaxPooling()(net(x), y).backward()
        alone = net.weight.grad.numpy()
        for size in (2, 4):
            with self.subTest(size=size):
                found = self.ranks(size, OVER_TORCH)
                self.hold(found)
                unit = np.abs(alone).max()
                for one in found:
                    # DistributedDataParallel's mean of these gradients is the gradient of the whole batch, as far as sums in
                    # another order let it; its mean of each rank's own is that of another loss.
                    self.assertLess(np.abs(one["whole"] - alone).max() / unit, 1e-5)
                    self.assertGreater(np.abs(one["means"] - alone).max() / unit, 1e-2)

    @unittest.skipUnless(has_mpi(), "no mpi4py, or no mpirun")
    def test_two_and_four_processes_of_mpi_are_one(self):
        for size in (2, 4):
            with self.subTest(size=size):
                self.hold(self.ranks(size, OVER_MPI, mpi=True))


class Threads(unittest.TestCase):
    def test_any_split_gives_the_bits_of_one(self):
        for options in ({}, {"scope": "image"}, {"weighting": "ohem", "ohem_min_kept": 30}):
            wanted = libclmp.loss(LOGITS, LABELS, gradient=True, **options)
            for split in ([1, 7], [3, 1, 4]):
                ends, sums = np.cumsum(split), Sums(len(split))

                def work(rank):
                    mine = slice(ends[rank] - split[rank], ends[rank])
                    return libclmp.loss(LOGITS[mine], LABELS[mine], gradient=True, group=sums.ranks(rank), **options)

                found = in_threads(len(split), work)
                for one in found:
                    self.assertIsInstance(one, libclmp._numpy.LossResult, one)
                    self.assertEqual((one.loss, one.alpha, one.support), (wanted.loss, wanted.alpha, wanted.support))
                self.assertTrue(same_bits(np.concatenate([one.gradient for one in found]), wanted.gradient))
                self.assertEqual(tuple(image for one in found for image in one.images), wanted.images)

    def test_weights_of_losses_are_those_of_one(self):
        losses = libclmp.loss(LOGITS, LABELS, losses=True).losses
        wanted, sums = libclmp.weights(losses), Sums(2)
        found = in_threads(2, lambda rank: libclmp.weights(losses[4 * rank : 4 * rank + 4], group=sums.ranks(rank)))
        self.assertTrue(same_bits(np.concatenate([one.weights for one in found]), wanted.weights))

    def test_a_sum_that_fails_is_the_cause_of_the_error(self):
        for failing in range(3):
            sums = Sums(2, failing)

            def work(rank):
                ranks = sums.ranks(rank)
                try:
                    libclmp.loss(LOGITS[4 * rank : 4 * rank + 4], LABELS[4 * rank : 4 * rank + 4], group=ranks)
                except libclmp.RanksFailed as error:
                    cause = error.__cause__
                step = libclmp.loss(LOGITS[4 * rank : 4 * rank + 4], LABELS[4 * rank : 4 * rank + 4], group=ranks)
                return cause, step.loss

            for found in in_threads(2, work):
                self.assertIsInstance(found, tuple, found)
                self.assertIsInstance(found[0], ConnectionError)
                self.assertEqual(found[1], libclmp.loss(LOGITS, LABELS).loss)

    def test_options_that_differ_are_refused_by_all(self):
        sums = Sums(2)

        def work(rank):
            libclmp.loss(LOGITS[:4], LABELS[:4], support=0.25 + 0.25 * rank, group=sums.ranks(rank))

        for error in in_threads(2, work):
            self.assertIsInstance(error, libclmp.InvalidArgument)
            self.assertIn("support", str(error))

    def test_a_rank_without_memory_is_no_rank_that_others_wait_for(self):
        sums, real = Sums(2), _opencl.create_buffer

        def create(context, flags, size, pointer):
            if pointer is not None and threading.current_thread().name == "1":
                raise libclmp.OutOfMemory("there is no more")
            return real(context, flags, size, pointer)

        def work(rank):
            mine, ranks = slice(4 * rank, 4 * rank + 4), sums.ranks(rank)
            with self.assertRaises(libclmp.Error) as caught:
                libclmp.loss(LOGITS[mine], LABELS[mine], group=ranks)
            if end.wait(120) == 0:
                patch.stop()
            end.wait(120)
            return caught.exception, libclmp.loss(LOGITS[mine], LABELS[mine], group=ranks).loss

        end = threading.Barrier(2)
        patch = mock.patch.object(_opencl, "create_buffer", create)
        patch.start()
        found = in_threads(2, work)
        for one in found:
            self.assertIsInstance(one, tuple, one)
            self.assertEqual(one[1], libclmp.loss(LOGITS, LABELS).loss)
        self.assertIsInstance(found[1][0], libclmp.OutOfMemory)
        self.assertIsInstance(found[0][0], libclmp.InvalidArgument)  # rank 1 came without buffers
        self.assertIn("rank 1", str(found[0][0]))

    def test_what_is_no_group_is_refused(self):
        for kind, words, group in (
            (libclmp.InvalidType, ["group is 3", "mpi4py"], 3),
            (libclmp.InvalidType, ["group is 'all'", "'world'"], "all"),
            (libclmp.InvalidArgument, ["'world'", "init_process_group"], "world"),
        ):
            calls = [lambda: libclmp.loss(LOGITS, LABELS, group=group)]
            calls += [lambda: LossMaxPooling(group=group)(torch.from_numpy(LOGITS), torch.from_numpy(LABELS))]
            for call in calls:
                with self.assertRaises(kind) as caught:
                    call()
                for word in words:
                    self.assertIn(word, str(caught.exception))
        for arguments in ((2, 2, print), (-1, 2, print), (0, 0, print), (0, 65537, print), (0, 1, None), (0.0, 1, print)):
            with self.assertRaises(libclmp.InvalidArgument):
                libclmp.Ranks(*arguments)
        with self.assertRaises(libclmp.InvalidType):
            CrossEntropyLoss(group="world", averaged=1)


if __name__ == "__main__":
    unittest.main()
