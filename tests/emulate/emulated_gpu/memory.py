"""Device memory and pinned host memory: blocks of this process's own memory, of which all bounds are known.

What nobody wrote is NaN.  What was freed is NaN again, and never given out a second time, so that whoever still
uses it is found.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right, insort

from .errors import CudaError, Status

TOTAL = 8 << 30  # bytes
_ALIGNMENT = 512  # bytes
_UNDEFINED = 0xFF  # every byte of it makes a NaN

_libc = ctypes.CDLL(None)
_libc.aligned_alloc.restype = ctypes.c_void_p
_libc.aligned_alloc.argtypes = (ctypes.c_size_t, ctypes.c_size_t)


class Memory:
    """One kind of memory, ``name``."""

    def __init__(self, name: str):
        self.name, self.used = name, 0
        self._blocks, self._freed = Blocks(), Blocks()

    def allocate(self, size: int) -> int:
        """The address of so many bytes, all of them NaN."""
        if self.used + size > TOTAL:
            raise CudaError(Status.OUT_OF_MEMORY, f"{size} bytes of {self.name} beside {self.used}")
        address = _libc.aligned_alloc(_ALIGNMENT, -(-size // _ALIGNMENT) * _ALIGNMENT)
        ctypes.memset(address, _UNDEFINED, size)
        self._blocks.add(address, size)
        self.used += size
        return address

    def free(self, address: int) -> None:
        if address not in self._blocks.sizes:
            raise CudaError(Status.INVALID_VALUE, f"{address:#x} is not the start of any {self.name}")
        size = self._blocks.remove(address)
        self._freed.add(address, size)
        self.used -= size
        ctypes.memset(address, _UNDEFINED, size)

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether so many bytes are this memory.

        Raises
        ------
        CudaError : only some of them are; or they were, and have been freed.
        """
        if self._freed.room(address):
            raise CudaError(Status.INVALID_VALUE, f"{address:#x} is {self.name} that has been freed")
        room = self._blocks.room(address)
        if 0 < room < size:
            raise CudaError(
                Status.INVALID_VALUE, f"{size} bytes at {address:#x}, of which {room} are {self.name}"
            )
        return room > 0

    def check(self, address: int, size: int = 1) -> None:
        """CudaError unless so many bytes are this memory."""
        if not self.holds(address, size):
            raise CudaError(Status.INVALID_VALUE, f"{address:#x} is no {self.name}")


class Blocks:
    """Ranges of addresses that do not overlap; their sizes by their starts."""

    def __init__(self):
        self.sizes: dict[int, int] = {}
        self._starts: list[int] = []

    def add(self, start: int, size: int) -> None:
        self.sizes[start] = size
        insort(self._starts, start)

    def remove(self, start: int) -> int:
        """Its size."""
        self._starts.remove(start)
        return self.sizes.pop(start)

    def room(self, address: int) -> int:
        """Bytes from an address to the end of the block that it lies in; 0 if it lies in none."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return 0
        start = self._starts[index]
        return max(start + self.sizes[start] - address, 0)
