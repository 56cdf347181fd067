"""NCCL, as far as this project uses it, between processes that each have an emulated GPU: MPI carries the data.

It takes the place of ``cupy.cuda.nccl``, which needs the library.  A call goes to the stream that it names, or
into the graph that is being recorded there, and is done when the stream's work is.  One that is still to be
done, or that a graph still holds, when the communicator goes is a problem.
"""

from __future__ import annotations

import ctypes
import gc
import weakref
from collections.abc import Callable

import numpy as np
from mpi4py import MPI

from . import report
from .device import MEMORY, STREAMS, stream
from .errors import CudaError, Status

__all__ = ["NCCL_FLOAT32", "NcclCommunicator", "NcclError", "available", "get_unique_id"]

available = True
NCCL_FLOAT32 = 7  # nccl.h
_AVERAGE = 4  # likewise


class NcclError(RuntimeError):
    """What CuPy raises."""


def get_unique_id() -> bytes:
    return np.random.default_rng().bytes(128)


class NcclCommunicator:
    """One rank's end, as CuPy's."""

    def __init__(self, ndev: int, commId: bytes, rank: int):
        world = MPI.COMM_WORLD
        if (ndev, rank) != (world.size, world.rank) or set(world.allgather(commId)) != {commId}:
            raise NcclError("NCCL_ERROR_INVALID_ARGUMENT: invalid argument")
        self._ranks = ndev
        self._calls: weakref.WeakSet[_Call] = weakref.WeakSet()

    def allReduce(self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int) -> None:
        if op != _AVERAGE:
            raise NotImplementedError(f"reduction {op}")

        def reduce() -> None:
            total = np.empty(count, np.float32)
            MPI.COMM_WORLD.Allreduce(_floats(sendbuf, count), total)
            _floats(recvbuf, count)[:] = total / self._ranks

        self._enqueue("allReduce", reduce, datatype, count, stream)

    def allGather(self, sendbuf: int, recvbuf: int, count: int, datatype: int, stream: int) -> None:
        def gather() -> None:
            MPI.COMM_WORLD.Allgather(_floats(sendbuf, count), _floats(recvbuf, count * self._ranks))

        self._enqueue("allGather", gather, datatype, count, stream)

    def destroy(self) -> None:
        gc.collect()
        if self._calls:
            report.problem(f"ncclCommDestroy: {len(self._calls)} calls are not done, or held by a graph")
        report.write("nccl", "destroy")

    def _enqueue(self, name: str, action: Callable[[], None], datatype: int, count: int, handle: int) -> None:
        if datatype != NCCL_FLOAT32:
            raise NotImplementedError(f"datatype {datatype}")
        call = _Call(action)
        self._calls.add(call)
        report.write("nccl", f"{name} {count}")
        STREAMS.enqueue(stream(handle), name, call)


class _Call:
    def __init__(self, action: Callable[[], None]):
        self._action = action

    def __call__(self) -> None:
        self._action()


def _floats(address: int, count: int) -> np.ndarray:
    """Device memory that is there, as an array."""
    if address % 4:
        raise CudaError(Status.INVALID_VALUE, f"address {address:#x}")
    MEMORY.check(address, 4 * count)
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
