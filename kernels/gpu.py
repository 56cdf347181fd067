"""Compiles and launches the CUDA C++ on an NVIDIA GPU, through CuPy.

CuPy gives memory, streams, compilation, launches and graphs; every kernel is this project's own.  CuPy keeps
compiled modules on disk, by their source text, so a second start compiles nothing.

Every launch, copy and fill is told its stream.  CuPy's current stream is never set and never relied upon: the
end of any ``with stream:`` block, a library's too, makes the null stream the current one, and what is enqueued
there does not wait for a non-blocking stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import cupy
import numpy as np


class Executor:
    """Compiles for the current device and launches on a stream, which may be changed."""

    backend = "cuda"
    array_type = cupy.ndarray

    def __init__(self, stream: cupy.cuda.Stream):
        self.stream = stream

    @contextmanager
    def on(self, stream: cupy.cuda.Stream) -> Iterator[None]:
        """Inside, launches go to another stream."""
        before, self.stream = self.stream, stream
        try:
            yield
        finally:
            self.stream = before

    def load(self, source: str, kernels: Sequence[str], real: str) -> Loaded:
        """Raises cupy.cuda.compiler.CompileException, which names the lines of the real file."""
        module = cupy.RawModule(code=source, options=("--std=c++17", f"-DREAL={real}"))
        return Loaded(module, kernels, self)


class Loaded:
    """The compiled kernels of one source text."""

    def __init__(self, module: cupy.RawModule, kernels: Sequence[str], executor: Executor):
        self._functions = {name: module.get_function(name) for name in kernels}
        self._executor = executor

    def launch(
        self,
        name: str,
        grid: int,
        block: tuple[int, ...],
        arguments: Sequence[cupy.ndarray | np.generic],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Enqueue a kernel.

        Parameters
        ----------
        arguments : exactly what the kernel declares; nothing is checked here.

        Raises
        ------
        ValueError : ``cooperative``: CuPy would silently shrink a grid whose blocks cannot all be live.
        """
        if cooperative:
            raise ValueError(f"{name}: cooperative launches are not for the GPU executor")
        self._functions[name]((grid,), block, arguments, shared_mem=shared, stream=self._executor.stream)


class Recorder:
    """Runs a sequence of launches again and again, from its second time on as a CUDA graph.

    The first time must not be recorded: it compiles kernels and loads them.

    Parameters
    ----------
    enqueue : makes the launches, the same ones on the same arrays at each call, on ``stream``, or on others
        that wait for it before and for which it waits after.
    stream : not the null one, which cannot be recorded.
    """

    #: Sequences in the long graph: enough that launching it costs the host next to nothing for each.
    LONG = 50

    def __init__(self, enqueue: Callable[[], None], stream: cupy.cuda.Stream):
        self.enqueue, self.stream = enqueue, stream
        self.warm = False
        self.graphs: dict[int, cupy.cuda.Graph] = {}

    def __call__(self, most: int) -> int:
        """Enqueue the sequence up to ``most`` times; returns how often."""
        if not self.warm:
            self.warm = True
            self.enqueue()
            return 1
        times = self.LONG if most >= self.LONG else 1
        if times not in self.graphs:
            self.graphs[times] = self._record(times)
        self.graphs[times].launch(self.stream)
        return times

    def _record(self, times: int) -> cupy.cuda.Graph:
        self.stream.begin_capture()
        try:
            for _ in range(times):
                self.enqueue()
        finally:
            graph = self.stream.end_capture()
        graph.upload(self.stream)
        return graph
