"""From --device to a backend: where arrays live and which functions compute on them.

This is the one place that knows the kernels; the network above it sees an op table.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from .errors import InputError
from .kernels import registry

_ALIGNMENT = 128  # bytes: that of parameters in their flat buffer (models.py); a cache line needs 64


@dataclass(frozen=True)
class Backend:
    """An op table and the arrays it works on.

    ``real`` is the scalar type: float32, and float64 in the reference backend.  ``ops`` has every op of the
    registry as a function, destinations first.
    """

    name: str
    description: str
    real: np.dtype
    ops: SimpleNamespace

    def zeros(self, shape: tuple[int, ...], dtype=None) -> np.ndarray:
        """A new array of zeros, of the backend's scalar type unless told otherwise, aligned to a cache line."""
        dtype = np.dtype(self.real if dtype is None else dtype)
        count = int(np.prod(shape))
        raw = np.zeros(count * dtype.itemsize + _ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % _ALIGNMENT
        return raw[start : start + count * dtype.itemsize].view(dtype).reshape(shape)

    def upload(self, array: np.ndarray) -> np.ndarray:
        """A host array as one of the backend's; without a copy where they share memory."""
        return array

    def download(self, array: np.ndarray) -> np.ndarray:
        """One of the backend's arrays as a host array."""
        return array


def make_backend(device: str) -> Backend:
    """The backend for ``auto``, ``cpu`` or ``gpu``, or the float64 ``reference``.

    Raises
    ------
    InputError : the device cannot be used here; the message says what is missing.
    """
    if device == "gpu":
        raise InputError("--device gpu: this version has no GPU kernels; --device cpu works")
    if device == "reference":
        return Backend(
            "reference", "NumPy float64, the definition", np.dtype(np.float64), registry.table("reference")
        )
    return Backend("cpu", _describe_cpu(), np.dtype(np.float32), registry.table("cpu"))


def _describe_cpu() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(
                (line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model
            )
    except OSError:
        pass  # not Linux
    return f"{model}, {os.cpu_count()} cores"
