"""Inverted dropout: a map that draws its own random numbers."""

from ..numba_common import (
    ceil_div,
    cuda,
    divide,
    locate,
    locate_on_line,
    my_tiles,
    real,
    stream_block,
    tiles_of,
    uniform,
)
from ..numba_source import device, kernel


# dropout_forward: keep an element with probability 1 - rate and scale it up, and remember which were kept.
#
#   mask = 1 if u >= rate,   y = mask x / (1 - rate)   reference.py (1), (2)
#
# Threads   block (THREADS, 1); a thread does four elements in a row, which share one run of the cipher.
# Memory    x is read, y and a byte of mask written: 9 bytes an element, the least possible.
# Limit     some 30 integer instructions an element: bound by the integer units.
# Numerics  u has 24 bits and is exact in float, so every backend keeps the same elements.
# Source    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def dropout_forward_tile(tile, y, mask, x, iteration, seed, stream, rate, B, C):
    block = locate_on_line(tile)
    if 4 * block >= B * C:
        return
    words = stream_block(block, iteration, seed, stream)
    for j in range(4):
        i = 4 * block + j
        if i < B * C:
            b, c = divide(i, C)
            keep = uniform(words[j]) >= rate
            mask[b, c] = keep
            y[b, c] = x[b, c] / (real(1) - rate) if keep else real(0)


@kernel
def dropout_forward(y, mask, x, iteration, seed, stream, rate, B, C):
    for tile in my_tiles(ceil_div(B * C, 4 * cuda.blockDim.x)):
        dropout_forward_tile(tile, y, mask, x, iteration, seed, stream, rate, B, C)


# dropout_backward: the gradient goes where the value went.
#
#   dx = mask dy / (1 - rate)   reference.py (3)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    dy and the mask are read, dx written: 9 bytes an element, the least possible.
# Limit     bound by bandwidth.
# Numerics  one rounding.
# Source    the derivative of (2), the mask a constant.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def dropout_backward_tile(tile, dx, dy, mask, rate, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    dx[b, c] = dy[b, c] / (real(1) - rate) if mask[b, c] else real(0)


@kernel
def dropout_backward(dx, dy, mask, rate, B, C):
    for tile in my_tiles(tiles_of(B, C)):
        dropout_backward_tile(tile, dx, dy, mask, rate, B, C)
