"""What several Numba CUDA kernels share: the counterpart of common.cuh, in its order and under its names.

``real``, ``sinpi`` and ``cospi`` stand for one precision or the other once an executor has bound the kernels
(numba_source.py).  A number that is written out is a float64 or an int64 to Numba, and so is what is computed
with one: hence ``real(2)``, where C++ takes ``2``.
"""

from typing import Any

import numpy as np

try:
    from numba import cuda as numba_cuda
except ImportError:  # no numba-cuda, and a Numba that no longer has its own: the interpreter needs neither
    numba_cuda = None

from .numba_source import device

cuda: Any = numba_cuda  # or what an executor has in its place
real = np.float32
uint32, uint64 = np.uint32, np.uint64
sinpi: Any = None  # the executor's, as is cospi
cospi: Any = None

_M0, _M1, _W0, _W1 = uint64(0xD2511F53), uint64(0xCD9E8D57), uint64(0x9E3779B9), uint64(0xBB67AE85)
_LOW, _HALF, _BYTE = uint64(0xFFFFFFFF), uint64(32), uint32(8)
_UNIT = 1.0 / 16777216.0

# Tiles ----------------------------------------------------------------------------------------------------


@device
def divide(a, b):
    """Quotient and remainder of numbers below 2^32: Numba's own have 64 bits, which takes a GPU many steps."""
    quotient = uint32(uint32(a) // uint32(b))
    return quotient, uint32(a - quotient * b)


@device
def ceil_div(a, b):
    return divide(a + b - 1, b)[0]


@device
def steps(start, stop, step):
    """A range upwards: a step that is a uint32 cannot be negative, so Numba leaves out the test for it."""
    return range(uint32(start), stop, uint32(step))


@device
def my_tiles(count):
    """The tiles of this block."""
    return steps(cuda.blockIdx.x, count, cuda.gridDim.x)


@device
def tiles_of(rows, columns):
    """How many tiles cover a (rows, columns) array."""
    return ceil_div(rows, cuda.blockDim.y) * ceil_div(columns, cuda.blockDim.x)


@device
def locate(tile, columns):
    """This thread's row and column in a tile of an array; they may lie outside it.

    A uint32 cannot be negative, so Numba leaves out the instructions by which an index counts from the end.
    """
    down, across = divide(tile, ceil_div(columns, cuda.blockDim.x))
    row = uint32(down * cuda.blockDim.y + cuda.threadIdx.y)
    column = uint32(across * cuda.blockDim.x + cuda.threadIdx.x)
    return row, column


@device
def locate_on_line(tile):
    """This thread's element in a tile of a line; it may lie beyond the end."""
    return uint32(tile * cuda.blockDim.x + cuda.threadIdx.x)


@device
def thread_in_block():
    return uint32(cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x)


# Sums -----------------------------------------------------------------------------------------------------


@device
def sum_over_y(value, scratch):
    """The sum of a value over threadIdx.y, for each threadIdx.x apart; every thread gets its column's.

    ``scratch`` has room for a block.  All threads must arrive.  The order of the additions is fixed: the same
    bits on every run.
    """
    cuda.syncthreads()  # scratch may still be read by the sum before this one
    scratch[thread_in_block()] = value
    cuda.syncthreads()  # all values are there
    total = real(0)
    for y in range(cuda.blockDim.y):
        total += scratch[uint32(y * cuda.blockDim.x + cuda.threadIdx.x)]
    return total


@device
def sum_over_block(value, scratch):
    """The sum of a value over a block of (x, 1) threads, x a power of two, by a tree; every thread gets it."""
    cuda.syncthreads()  # scratch may still be read by the sum before this one
    x, half = uint32(cuda.threadIdx.x), cuda.blockDim.x // 2
    scratch[x] = value
    while half > 0:
        cuda.syncthreads()  # the level before this one is complete
        if x < half:
            scratch[x] += scratch[x + half]
        half //= 2
    cuda.syncthreads()  # the sum is there
    return scratch[0]


# Philox4x32-10: philox/reference.py (1) to (4) ------------------------------------------------------------
# Every word is carried as a uint64 below 2^32, which Numba's typing leaves alone.


@device
def philox(c0, c1, c2, c3, k0, k1):
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return uint32(c0), uint32(c1), uint32(c2), uint32(c3)


@device
def stream_block(block, iteration, seed, stream):
    """The four words of a stream's block; element i of the stream is word i % 4 of block i / 4."""
    it = uint64(iteration[0])
    return philox(
        uint64(block), uint64(stream), it & _LOW, it >> _HALF, uint64(seed) & _LOW, uint64(seed) >> _HALF
    )


@device
def uniform(word):
    """Uniform in [0, 1): 24 bits, which a float holds exactly."""
    return real(word >> _BYTE) * real(_UNIT)
