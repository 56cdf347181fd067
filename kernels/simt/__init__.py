"""Runs the CUDA C++ kernels on any CPU: g++ compiles the ``.cu`` text, ``scheduler.cpp`` runs it on fibers.

It is for correctness, not for speed: every kernel against its reference with no GPU, under sanitizers, in
several thread orders, with shared memory full of NaN, and step by step in a debugger.

    module = Module("kernels/dense/cuda.cu", simt.Executor(order="reverse"), real="double")
    module.launch("dense_forward_tiled", grid, block, [y, x, w, b, M, N, K])
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .compiler import SANITIZERS, BuildError, build

__all__ = ["BuildError", "Executor", "KernelError"]

#: Set by ``python -m cgan_raw.kernels.simt.sanitize``, which preloads the sanitizer of that name.
SANITIZE_VARIABLE = "CGAN_RAW_SANITIZE"
_ORDERS: dict[str | int, int] = {"forward": 0, "reverse": 1}
_RANDOM = 2
_MOST_BLOCKS = (2**31 - 1, 65535, 65535)  # CUDA C++ Programming Guide, "Compute Capabilities"
_MOST_THREADS = (1024, 1024, 64)
_MOST_THREADS_PER_BLOCK = 1024
_MESSAGE_BYTES = 1024


class KernelError(RuntimeError):
    """A kernel stopped: its threads parted at a barrier, an assertion failed, or it called ``__trap()``."""


@dataclass(frozen=True)
class Executor:
    """How kernels are built and run.

    Parameters
    ----------
    order : which block, and which thread of a block, runs first: ``"forward"``, ``"reverse"``, or a seed for an
        order of threads that is drawn anew at every barrier.
    sanitize : ``""``, ``"address,undefined"`` or ``"thread"``.
    """

    order: str | int = "forward"
    sanitize: str = field(default_factory=lambda: os.environ.get(SANITIZE_VARIABLE, ""))

    backend = "cuda"
    array_type = np.ndarray

    def __post_init__(self):
        check_order(self.order)
        if self.sanitize not in SANITIZERS:
            raise ValueError(
                f"sanitize ({SANITIZE_VARIABLE}) is one of {sorted(SANITIZERS)}, not {self.sanitize!r}"
            )

    def load(self, source: str, kernels: Sequence[str], real: str) -> Library:
        """Compile a source text (or find it compiled) and load it.

        Raises
        ------
        BuildError : g++ is missing or does not compile the text; the sanitizer is not in this process.
        """
        hook = SANITIZERS[self.sanitize].hook
        if hook and not hasattr(ctypes.CDLL(None), hook):
            raise BuildError(
                f"the {self.sanitize} sanitizer must be in the process from its start: "
                f"python -m {__name__}.sanitize {self.sanitize} ..."
            )
        return Library(build(source, kernels, real, self.sanitize), self.order)


def check_order(order: str | int) -> None:
    """ValueError unless it is one."""
    if not isinstance(order, int) and order not in _ORDERS:
        raise ValueError(f"order is forward, reverse or a seed, not {order!r}")


class _Launch(ctypes.Structure):
    """``SimtLaunch`` in scheduler.cpp."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_size_t),
        ("order", ctypes.c_int),
        ("seed", ctypes.c_uint),
        ("cooperative", ctypes.c_int),
    )


class Library:
    """The compiled kernels of one source text."""

    def __init__(self, path: Path, order: str | int):
        self._library = ctypes.CDLL(str(path))
        self._order = _ORDERS.get(order, _RANDOM)
        self._seed = order if self._order == _RANDOM else 0

    def launch(
        self,
        name: str,
        grid: int | Sequence[int],
        block: int | Sequence[int],
        arguments: Sequence[np.ndarray | np.generic],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Run a kernel to its end.

        Parameters
        ----------
        arguments : exactly what the kernel declares; nothing is checked here.

        Raises
        ------
        KernelError : a barrier that not all threads reach, a failed ``assert``, ``__trap()``.
        ValueError : a grid or block that no GPU takes.
        """
        launch = _Launch(
            _three(name, "grid", grid, _MOST_BLOCKS),
            _three(name, "block", block, _MOST_THREADS),
            shared,
            self._order,
            self._seed,
            cooperative,
        )
        if math.prod(launch.block) > _MOST_THREADS_PER_BLOCK:
            raise ValueError(f"{name}: a block has at most {_MOST_THREADS_PER_BLOCK} threads, not {block!r}")
        cells = [np.array(a.ctypes.data if isinstance(a, np.ndarray) else a) for a in arguments]
        pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        kernel = self._library[f"simt_{name}"]
        if self._library.simt_launch(kernel, pointers, ctypes.byref(launch), message, _MESSAGE_BYTES):
            raise KernelError(f"{name}: {message.value.decode(errors='replace')}")


def _three(name: str, what: str, size: int | Sequence[int], most: Sequence[int]) -> tuple[int, int, int]:
    """``8`` -> ``(8, 1, 1)``."""
    sizes = tuple(size) if isinstance(size, Sequence) else (size,)
    if not 1 <= len(sizes) <= 3 or not all(1 <= n <= limit for n, limit in zip(sizes, most, strict=False)):
        raise ValueError(f"{name}: {what} is one to three numbers from 1 to {most}, not {size!r}")
    return (*sizes, 1, 1)[:3]
