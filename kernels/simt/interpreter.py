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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from greenlet import getcurrent, greenlet

from .. import numba_common
from ..numba_source import bind
from . import KernelError, check_order

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
    order : which block, and which thread of a block, runs first: ``"forward"``, ``"reverse"``, or a seed by
        which the next thread is drawn from all that may run.
    """

    order: str | int = "forward"

    backend = "numba_cuda"
    array_type = np.ndarray

    def __post_init__(self):
        check_order(self.order)

    def load(self, module: ModuleType, real: str) -> Interpreted:
        """Bind a ``numba_cuda.py`` to this machine's words."""
        machine = Machine()
        kernels = bind(module, numba_common, words(machine, real), lambda function, role: function)
        return Interpreted(kernels, machine, self.order)


def words(cuda: Any, real: str) -> dict[str, Any]:
    """What kernels that run as Python call by these names; ``cuda`` is who gives them threads and memory."""
    scalar = _REALS[real]
    return {
        "cuda": cuda,
        "real": scalar,
        "sinpi": lambda x: scalar(math.sin(math.pi * float(x))),
        "cospi": lambda x: scalar(math.cos(math.pi * float(x))),
    }


class Interpreted:
    """The kernels of one module, as Python functions."""

    def __init__(self, kernels: dict[str, Callable], machine: Machine, order: str | int):
        self._kernels, self._machine, self._order = kernels, machine, order

    def launch(
        self,
        name: str,
        grid: int,
        block: int | Sequence[int],
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
        x, y, *_ = (*(block if isinstance(block, Sequence) else (block,)), 1)

        def body():
            with np.errstate(over="ignore", under="ignore"):  # words wrap round, as on a GPU
                self._kernels[name](*values)

        blocks = range(grid)
        for number in reversed(blocks) if self._order == "reverse" else blocks:
            self._machine.start(grid, (x, y), number)
            _run_block(self._machine, name, body, self._order)


class Machine:
    """What a kernel calls ``cuda``; one block at a time, and one thread of it."""

    def start(self, grid: int, block: tuple[int, int], number: int) -> None:
        """Begin a block, whose shared memory is as if never written."""
        self.gridDim, self.blockDim, self.blockIdx = Three(grid, 1, 1), Three(*block, 1), Three(number, 0, 0)
        self.threadIdx = Three(0, 0, 0)  # of the thread that runs
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
            self._arrays[place] = _never_written(shape, dtype)
        return self._arrays[place]


class _Local:
    """Arrays of a thread."""

    @staticmethod
    def array(shape, dtype) -> np.ndarray:
        return _never_written(shape, dtype)


def _never_written(shape, dtype) -> np.ndarray:
    """NaN, or an unlikely integer."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8).fill(0xA5)
    if array.dtype.kind == "f":
        array.fill(np.nan)
    return array


class _Thread:
    """A CUDA thread: a coroutine that is switched to until it ends, and the barrier that it waits at."""

    def __init__(self, index: Three, number: int, body: Callable[[], None]):
        self.index, self.number, self.warp = index, number, number // _WARP
        self.coroutine, self.waits = greenlet(body), None


def _run_block(machine: Machine, name: str, body: Callable[[], None], order: str | int) -> None:
    """All threads of a block, each from barrier to barrier; whoever is released goes ahead of the others."""
    width, height = machine.blockDim.x, machine.blockDim.y
    threads = [_Thread(Three(n % width, n // width, 0), n, body) for n in range(width * height)]
    barriers = {"block": _Barrier(len(threads))}
    for warp in range(0, len(threads), _WARP):
        barriers[warp // _WARP] = _Barrier(min(_WARP, len(threads) - warp))
    ready = _Ready(threads, order)
    while ready:
        thread = ready.take()
        machine.threadIdx = thread.index
        thread.waits = thread.coroutine.switch()
        if thread.waits:
            ready.put(barriers["block" if thread.waits == "block" else thread.warp].arrive(thread))
    waiting = [thread for thread in threads if thread.waits]
    if waiting:
        raise KernelError(
            f"{name}: {len(waiting)} of {len(threads)} threads of block {machine.blockIdx.x} wait at a barrier "
            f"that the others do not reach; one is thread {tuple(waiting[0].index[:2])}"
        )


class _Barrier:
    """Where ``size`` threads meet."""

    def __init__(self, size: int):
        self.size, self.here = size, []

    def arrive(self, thread: _Thread) -> list[_Thread]:
        """Who may go on now: all of them with the last, nobody before."""
        self.here.append(thread)
        if len(self.here) < self.size:
            return []
        released, self.here = self.here, []
        for each in released:
            each.waits = None
        return released


class _Ready:
    """The threads that may run, in the order in which they will."""

    def __init__(self, threads: Sequence[_Thread], order: str | int):
        self.order = order
        self.draw = random.Random(order) if isinstance(order, int) else None
        self.threads: list[_Thread] = []  # the next one last
        self.put(threads)

    def __bool__(self) -> bool:
        return bool(self.threads)

    def put(self, threads: Sequence[_Thread]) -> None:
        self.threads += sorted(threads, key=lambda thread: thread.number, reverse=self.order != "reverse")

    def take(self) -> _Thread:
        if self.draw is not None:
            last, other = len(self.threads) - 1, self.draw.randrange(len(self.threads))
            self.threads[last], self.threads[other] = self.threads[other], self.threads[last]
        return self.threads.pop()
