"""What every backend is: an op table and the arrays it works on."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..ranks import ALONE, Alone

if TYPE_CHECKING:
    from ..kernels.table import Ops

_ALIGNMENT = 128  # bytes: that of parameters in their flat buffer (models.py); a cache line needs 64
_HUGE_PAGE = 2 << 20  # bytes


@dataclass(frozen=True)
class Backend:
    """An op table and the arrays it works on: those of NumPy, unless a subclass says otherwise.

    ``real`` is the scalar type: float32, and float64 in the reference backend.  ``ops`` has every op of the
    registry as a function, destinations first; where ``ranks`` are several, those between ranks too.
    """

    name: str
    description: str
    real: np.dtype
    ops: Ops
    ranks: Alone = field(default=ALONE, kw_only=True)

    def zeros(self, shape: tuple[int, ...], dtype=None):
        """A new array of zeros, aligned to a cache line; of the backend's scalar type unless told otherwise."""
        dtype = np.dtype(self.real if dtype is None else dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        raw, alignment = (_small if size < _HUGE_PAGE else _large)(size)
        start = -raw.ctypes.data % alignment
        return raw[start : start + size].view(dtype).reshape(shape)

    def upload(self, array: np.ndarray):
        """A host array as one of the backend's; without a copy where they share memory."""
        return array

    def write(self, array, values: np.ndarray) -> None:
        """Copy host values into one of the backend's arrays, of the same shape, casting to its dtype."""
        array[...] = values

    def download(self, array) -> np.ndarray:
        """One of the backend's arrays as a host array, once all that was enqueued has been computed."""
        return array

    def aside(self) -> AbstractContextManager[None]:
        """Inside, ops need not wait for those called after it, nor these for them, until :meth:`join`."""
        return nullcontext()

    def join(self) -> None:
        """From here on, ops find what those inside :meth:`aside` have computed."""

    @property
    def fused_rows(self) -> int:
        """Rows of the largest mini-batch that the fused ops are for; 0 where they are missing."""
        from ..kernels.registry import most_fused_rows

        return most_fused_rows(self.ops)

    def row_parts(self, rows: int) -> int:
        """Into how many parts batchnorm splits so many rows; one, where nobody waits for work."""
        from ..kernels.batchnorm import parts

        return 1 if self.name == "reference" else parts(rows)

    def repeat(self, run: Callable[[], None]) -> Callable[[int], int]:
        """A function that calls ``run`` once or more, at most as often as it is told, and says how often."""

        def once(most: int) -> int:
            run()
            return 1

        return once


def _small(size: int) -> tuple[np.ndarray, int]:
    """Room for so many bytes, and how they are to be aligned in it."""
    return np.zeros(size + _ALIGNMENT, np.uint8), _ALIGNMENT


def _large(size: int) -> tuple[np.ndarray, int]:
    """The same on huge pages, where the system has them.

    A matrix that is walked down its columns is on another small page at every step, and the TLB holds few.
    """
    room = size + 2 * _HUGE_PAGE
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(room, np.uint8), _HUGE_PAGE
    memory = mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8), _HUGE_PAGE
