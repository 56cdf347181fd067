"""Dropout, as in cuda.cu, but that a thread moves its four elements one by one, at their row and column.

Numba has no access of 16 bytes to an array of floats.
"""

from ..numba_common import (
    ceil_div,
    cuda,
    divide,
    locate_on_line,
    my_tiles,
    real,
    stream_block,
    uniform,
)
from ..numba_source import device, kernel


@device
def dropout_forward_tile(tile, y, mask, x, iteration, seed, stream, rate, first, B, C):
    block = locate_on_line(tile)
    if 4 * block >= B * C:
        return
    words = stream_block(first + block, iteration, seed, stream)
    for j in range(4):
        i = 4 * block + j
        if i < B * C:
            b, c = divide(i, C)
            keep = uniform(words[j]) >= rate
            mask[b, c] = keep
            y[b, c] = x[b, c] / (real(1) - rate) if keep else real(0)


@kernel
def dropout_forward(y, mask, x, iteration, seed, stream, rate, first, B, C):
    for tile in my_tiles(ceil_div(B * C, 4 * cuda.blockDim.x)):
        dropout_forward_tile(tile, y, mask, x, iteration, seed, stream, rate, first, B, C)


@device
def dropout_backward_tile(tile, dx, dy, mask, rate, B, C):
    b, c = divide(locate_on_line(tile), C)
    if b >= B:
        return
    g = dy[b, c]
    dx[b, c] = g / (real(1) - rate) if mask[b, c] else real(0)


@kernel
def dropout_backward(dx, dy, mask, rate, B, C):
    for tile in my_tiles(ceil_div(B * C, cuda.blockDim.x)):
        dropout_backward_tile(tile, dx, dy, mask, rate, B, C)
