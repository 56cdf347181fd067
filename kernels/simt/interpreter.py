"""Runs the Numba CUDA kernels on any CPU as the Python that they are: one coroutine for each CUDA thread.

It is for correctness and for reading: a breakpoint or a ``print`` in a kernel works, an index beyond an array
is an error, shared memory starts full of NaN, and the order of threads can be chosen.

    module = NumbaModule("cgan_raw.kernels.dense", interpreter.Executor(order="reverse"), real="double")
    module.launch("dense_forward_tiled", grid, block, [y, x, w, b, M, N, K])
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from greenlet import getcurrent, greenlet

from .. import numba_common
from ..numba_source import bind
from . import KernelError

_WARP = 32
_REALS = {"float": np.float32, "double": np.float64}


class Three(NamedTuple):
    """``dim3``."""

    x: int
    y: int
    z: int


@dataclass(frozen=True)
class Executor:
    """How kernels are run.

    Parameters
    ----------
    order : which block, and which thread of a block, runs first: ``"forward"``, ``"reverse"``, or a seed for an
        order of threads that is drawn anew at every barrier.
    """

    order: str | int = "forward"

    backend = "numba_cuda"
    array_type = np.ndarray

    def __post_init__(self):
        if not isinstance(self.order, int) and self.order not in ("forward", "reverse"):
            raise ValueError(f"order is forward, reverse or a seed, not {self.order!r}")

    def load(self, module: ModuleType, real: str) -> Interpreted:
        """Bind a ``numba_cuda.py`` to this machine's words."""
        machine, scalar = Machine(), _REALS[real]
        words = {
            "cuda": machine,
            "real": scalar,
            "sinpi": lambda x: scalar(math.sin(math.pi * x)),
            "cospi": lambda x: scalar(math.cos(math.pi * x)),
        }
        return Interpreted(
            bind(module, numba_common, words, lambda function, role: function), machine, self.order
        )


class Interpreted:
    """The kernels of one module, as Python functions."""

    def __init__(self, kernels: dict[str, Callable], machine: Machine, order: str | int):
        self._kernels, self._machine, self._order = kernels, machine, order

    def launch(
        self,
        name: str,
        grid: int,
        block: Sequence[int],
        arguments: Sequence[np.ndarray | np.generic],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Run a kernel to its end.

        Raises
        ------
        KernelError : a barrier that not all threads reach.
        IndexError : an element that does not exist.
        """
        values = [int(a) if isinstance(a, np.int32) else a for a in arguments]
        blocks = range(grid)
        with np.errstate(over="ignore", under="ignore"):
            for number in reversed(blocks) if self._order == "reverse" else blocks:
                self._machine.start(grid, (*block, 1)[:2], number)
                _run_block(self._machine, name, lambda: self._kernels[name](*values), self._order)


class Machine:
    """What a kernel calls ``cuda``; one block at a time, and one thread of it."""

    def start(self, grid: int, block: tuple[int, int], number: int) -> None:
        """Begin a block, whose shared memory is as if never written."""
        self.gridDim, self.blockDim, self.blockIdx = Three(grid, 1, 1), Three(*block, 1), Three(number, 0, 0)
        self.shared, self.local = _Shared(), _Local()

    def syncthreads(self) -> None:
        getcurrent().parent.switch("block")

    def syncwarp(self) -> None:
        getcurrent().parent.switch("warp")


class _Shared:
    """Arrays of a block: one for each place in the source that asks for one."""

    def __init__(self):
        self._arrays: dict[Any, np.ndarray] = {}

    def array(self, shape, dtype) -> np.ndarray:
        caller = sys._getframe(1)
        place = (caller.f_code, caller.f_lasti)
        if place not in self._arrays:
            self._arrays[place] = np.full(shape, np.nan, dtype)
        return self._arrays[place]


class _Local:
    """Arrays of a thread."""

    @staticmethod
    def array(shape, dtype) -> np.ndarray:
        return np.full(shape, np.nan, dtype)


class _Thread:
    """A CUDA thread: a coroutine that is switched to until it ends, and the barrier that it waits at."""

    def __init__(self, index: Three, number: int, body: Callable[[], None]):
        self.index, self.warp = index, number // _WARP
        self.coroutine, self.waits = greenlet(body), None


def _run_block(machine: Machine, name: str, body: Callable[[], None], order: str | int) -> None:
    """All threads of a block from barrier to barrier, each in its turn."""
    width, height = machine.blockDim.x, machine.blockDim.y
    threads = [_Thread(Three(n % width, n // width, 0), n, body) for n in range(width * height)]
    draw = random.Random(order) if isinstance(order, int) else None
    ready = threads
    while ready:
        for thread in _ordered(ready, order, draw):
            machine.threadIdx = thread.index
            thread.waits = thread.coroutine.switch()
        ready = _released(threads)
    waiting = [thread for thread in threads if not thread.coroutine.dead]
    if waiting:
        raise KernelError(
            f"{name}: {len(waiting)} of {len(threads)} threads of block {machine.blockIdx.x} wait at a barrier "
            f"that the others do not reach; one is thread {tuple(waiting[0].index[:2])}"
        )


def _ordered(threads: list[_Thread], order: str | int, draw: random.Random | None) -> Iterable[_Thread]:
    if draw is not None:
        return draw.sample(threads, len(threads))
    return reversed(threads) if order == "reverse" else threads


def _released(threads: list[_Thread]) -> list[_Thread]:
    """Who may go on: a block all of whose threads wait for it, and each warp all of whose threads do."""
    if all(thread.waits == "block" for thread in threads):
        return threads
    released = []
    for warp in {thread.warp for thread in threads}:
        lanes = [thread for thread in threads if thread.warp == warp]
        if all(thread.waits == "warp" for thread in lanes):
            released += lanes
    return released
