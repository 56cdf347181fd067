"""What every backend is: an op table and the arrays it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

_ALIGNMENT = 128  # bytes: that of parameters in their flat buffer (models.py); a cache line needs 64


@dataclass(frozen=True)
class Backend:
    """An op table and the arrays it works on: those of NumPy, unless a subclass says otherwise.

    ``real`` is the scalar type: float32, and float64 in the reference backend.  ``ops`` has every op of the
    registry as a function, destinations first.
    """

    name: str
    description: str
    real: np.dtype
    ops: SimpleNamespace

    def zeros(self, shape: tuple[int, ...], dtype=None):
        """A new array of zeros, aligned to a cache line; of the backend's scalar type unless told otherwise."""
        dtype = np.dtype(self.real if dtype is None else dtype)
        count = int(np.prod(shape))
        raw = np.zeros(count * dtype.itemsize + _ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % _ALIGNMENT
        return raw[start : start + count * dtype.itemsize].view(dtype).reshape(shape)

    def upload(self, array: np.ndarray):
        """A host array as one of the backend's; without a copy where they share memory."""
        return array

    def write(self, array, values: np.ndarray) -> None:
        """Copy host values into one of the backend's arrays, of the same shape, casting to its dtype."""
        array[...] = values

    def download(self, array) -> np.ndarray:
        """One of the backend's arrays as a host array, once all that was enqueued has been computed."""
        return array

    def repeat(self, run: Callable[[], None]) -> Callable[[int], int]:
        """A function that calls ``run`` once or more, at most as often as it is told, and says how often."""

        def once(most: int) -> int:
            run()
            return 1

        return once
