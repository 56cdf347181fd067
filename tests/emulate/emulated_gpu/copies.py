"""Copies between host and device, and when they read and write."""

from __future__ import annotations

import ctypes

from .device import MEMORY, PINNED, STREAMS
from .errors import CudaError, Status
from .memory import Memory
from .streams import Stream

DEVICE_TO_DEVICE, _DEFAULT = 3, 4  # cudaMemcpyKind; 1 writes the device, 2 reads it


class Copy:
    """So many bytes from one address to another.

    Pageable host memory is read before the call returns, into a buffer of the driver's, ``staged``; and it is
    written before the call returns.  All else is read and written in the copy's turn.
    """

    def __init__(self, to: int, source: int, size: int, direction: int):
        self._to, self._source, self._size = to, source, size
        self._writes, self._reads = _owner(to, size), _owner(source, size)
        if direction not in (2 * (self._reads is MEMORY) + (self._writes is MEMORY), _DEFAULT):
            raise CudaError(Status.INVALID_DIRECTION, f"{to:#x} from {source:#x} in direction {direction}")
        self.staged = ctypes.string_at(source, size) if self._reads is None else None

    def enqueue(self, where: Stream) -> None:
        if where.capture is not None and None in (self._writes, self._reads):
            raise CudaError(Status.CAPTURE_UNSUPPORTED, "a copy of pageable memory, in a capture")
        operation = STREAMS.enqueue(where, f"a copy of {self._size} bytes", self._run)
        if self._writes is None:
            STREAMS.finish(operation)

    def _run(self) -> None:
        for memory, address in ((self._writes, self._to), (self._reads, self._source)):
            if memory is not None:
                memory.check(address, self._size)
        ctypes.memmove(self._to, self._source if self.staged is None else self.staged, self._size)


def _owner(address: int, size: int) -> Memory | None:
    """None is pageable host memory, of which nothing is known."""
    return next((memory for memory in (MEMORY, PINNED) if memory.holds(address, size)), None)
