# SPDX-License-Identifier: Apache-2.0
"""One batch over several processes: what sums a few numbers over all of them."""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import Any, Callable

import numpy as np

from libclmp import _header, _library
from libclmp._errors import Error, InvalidArgument, InvalidType
from libclmp._fields import integer

Allreduce = Callable[["np.ndarray[Any, np.dtype[np.uint64]]"], Any]


class Ranks:
    """One rank of a batch that several processes share, for ``group=``.

    Of torch.distributed and mpi4py a group or a communicator is enough; this is for whatever else sums arrays.

    Parameters
    ----------
    rank, size : int
        Which rank this is, from 0, and how many there are.
    allreduce : callable
        Called with a uint64 array, replaces each number by the sum of its values over all ranks.  Every rank calls it
        equally often, with arrays of the same size, in the thread of the step.  If it raises, the step raises, too; then
        it must raise on every rank, or the others wait for this one.

    Raises
    ------
    InvalidArgument, InvalidType
        A rank that is none of them, or what cannot be called.
    """

    def __init__(self, rank: int, size: int, allreduce: Allreduce) -> None:
        self.rank = integer("rank", rank, ctypes.c_uint32)
        self.size = integer("size", size, ctypes.c_uint32)
        if not self.rank < self.size <= 65536:
            raise InvalidArgument(f"rank is {rank} and size is {size}, expected a rank below a size of at most 65536")
        if not callable(allreduce):
            raise InvalidType(f"allreduce is {allreduce!r}, expected what can be called")
        self.group: Any = None  # kept, since it is found again by its identity
        self._failed = threading.local()

        def call(_: int | None, sums: Any, count: int) -> int:
            try:
                if count:
                    allreduce(np.ctypeslib.as_array(sums, (count,)))
            except BaseException as error:  # it goes on in the entry's caller, see raised()
                self._failed.error = error
                return 1
            return 0

        self._callback = _header.AllreduceFn(call)  # as long as plans may call it

    def struct(self) -> _header.Ranks:
        """clmp_ranks, which a plan copies."""
        ranks: _header.Ranks = _library.init("clmp_ranks_init_sized", _header.Ranks)
        ranks.allreduce, ranks.rank, ranks.size = self._callback, self.rank, self.size
        return ranks

    def raised(self, error: Error) -> Error:
        """An error of an entry, with what was raised in the callback of this thread as its cause."""
        error.__cause__ = self._failed.__dict__.pop("error", None)
        return error


def _of_torch(distributed: Any, group: Any) -> Ranks:
    import torch

    backend = str(distributed.get_backend(group))
    if backend == "nccl":
        raise InvalidArgument(
            "group has the backend nccl, expected one that sums tensors of the host's memory: "
            "torch.distributed.new_group(backend='gloo')"
        )

    def allreduce(sums: Any) -> None:  # int64, as torch has no other sum of 64 bits: the same bits
        distributed.all_reduce(torch.from_numpy(sums.view(np.int64)), group=group)

    return Ranks(distributed.get_rank(group), distributed.get_world_size(group), allreduce)


def _of_mpi(communicator: Any) -> Ranks:
    from mpi4py import MPI

    def allreduce(sums: Any) -> None:
        communicator.Allreduce(MPI.IN_PLACE, [sums, MPI.UINT64_T])

    return Ranks(communicator.Get_rank(), communicator.Get_size(), allreduce)


_known: dict[int, Ranks] = {}
_lock = threading.Lock()


def clear() -> None:
    """Forgets groups; plans keep theirs."""
    with _lock:
        _known.clear()


def ranks_of(group: Any) -> Ranks:
    """The ranks of a group: "world" or a process group of torch.distributed, a communicator of mpi4py, or a Ranks.

    A group has one Ranks, so that plans are found again.
    """
    if isinstance(group, Ranks):
        return group
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and not distributed.is_available():
        distributed = None
    if isinstance(group, str) and group == "world":
        if distributed is None or not distributed.is_initialized():
            raise InvalidArgument("group is 'world', expected that torch.distributed.init_process_group() was called before")
        group = distributed.group.WORLD
    with _lock:
        known = _known.get(id(group))
        if known is None:
            if distributed is not None and isinstance(group, distributed.ProcessGroup):
                known = _of_torch(distributed, group)
            elif hasattr(group, "Allreduce") and hasattr(group, "Get_rank"):
                known = _of_mpi(group)
            else:
                raise InvalidType(
                    f"group is {group!r}, expected 'world', a process group of torch.distributed, a communicator of mpi4py, "
                    "or a libclmp.Ranks"
                )
            known.group = group
            _known[id(group)] = known
    return known


__all__ = ["Ranks", "ranks_of"]
