"""The one device of this process."""

from __future__ import annotations

from itertools import count
from typing import Any

from .errors import CudaError, Status
from .memory import Memory
from .streams import Stream, Streams


class Handles:
    """Objects as the numbers by which a program knows them."""

    def __init__(self):
        self._objects: dict[int, Any] = {}
        self._numbers = count(0x1000, 16)

    def add(self, value: Any) -> int:
        number = next(self._numbers)
        self._objects[number] = value
        return number

    def __getitem__(self, number: int) -> Any:
        try:
            return self._objects[number]
        except KeyError:
            raise CudaError(Status.INVALID_HANDLE, f"no handle {number:#x}") from None

    def remove(self, number: int) -> Any:
        value = self[number]
        del self._objects[number]
        return value


STREAMS = Streams()
MEMORY, PINNED = Memory("device memory"), Memory("pinned host memory")
HANDLES = Handles()


def stream(handle: int) -> Stream:
    """0 and 1 are the legacy null stream."""
    return STREAMS.null if handle in (0, 1) else HANDLES[handle]
