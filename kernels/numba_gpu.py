"""Compiles and launches the Numba CUDA kernels on an NVIDIA GPU, through numba-cuda.

Its arrays are Numba's device arrays.  CuPy is not needed; where it is there, :func:`share` makes its arrays
Numba's, and its stream records the launches (gpu.Recorder).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba.cuda import libdevice
from numba.cuda.cudadrv.devicearray import DeviceNDArray

from . import numba_common
from .numba_common import cuda
from .numba_source import bind

#: What the kernels call by these names, by scalar type.
WORDS: dict[str, dict[str, Any]] = {
    "float": {"cuda": cuda, "real": np.float32, "sinpi": libdevice.sinpif, "cospi": libdevice.cospif},
    "double": {"cuda": cuda, "real": np.float64, "sinpi": libdevice.sinpi, "cospi": libdevice.cospi},
}

#: A network's small kernels are one block or two: no reason to warn at each launch.
cuda.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0


def share(array: Any) -> DeviceNDArray:
    """A view of an array of CuPy, say, in the same memory.  Once for an array: it costs more than a launch."""
    return cuda.as_cuda_array(array, sync=False)


def jitted(module: ModuleType, real: str) -> dict[str, Any]:
    """The kernels of a ``numba_cuda.py`` by name; each is compiled when first launched."""

    def make(function: FunctionType, role: str) -> Callable:
        return cuda.jit(function, device=role == "device")

    return bind(module, numba_common, WORDS[real], make)


_compiled = cache(jitted)  # Numba compiles for seconds; whatever the stream, the kernels are the same


class Executor:
    """Compiles for the current device and launches on a stream of Numba's."""

    backend = "numba_cuda"
    array_type = DeviceNDArray

    def __init__(self, stream=0):
        self._stream = stream

    def load(self, module: ModuleType, real: str) -> Loaded:
        return Loaded(_compiled(module, real), self._stream)


class Loaded:
    """The kernels of one module."""

    def __init__(self, kernels: dict[str, Any], stream):
        self._kernels, self._stream = kernels, stream

    def launch(
        self,
        name: str,
        grid: int,
        block: tuple[int, ...],
        arguments: Sequence[DeviceNDArray | np.generic],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Enqueue a kernel.

        Parameters
        ----------
        arguments : exactly what the contract declares; nothing is checked here.
        """
        self._kernels[name][grid, block, self._stream, shared](*arguments)
