"""LeakyReLU and tanh, as in cuda.cu, where the headers are; ``x[b, c]`` stands for its ``x[b * C + c]``."""

import math

from ..numba_common import locate, my_tiles, real, tiles_of
from ..numba_source import device, kernel


@device
def leaky_relu_forward_tile(tile, y, x, slope, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    v = x[b, c]
    y[b, c] = v if v > real(0) else slope * v


@kernel
def leaky_relu_forward(y, x, slope, B, C):
    for tile in my_tiles(tiles_of(B, C)):
        leaky_relu_forward_tile(tile, y, x, slope, B, C)


@device
def leaky_relu_backward_tile(tile, dx, dy, x, slope, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    dx[b, c] = dy[b, c] if x[b, c] > real(0) else slope * dy[b, c]


@kernel
def leaky_relu_backward(dx, dy, x, slope, B, C):
    for tile in my_tiles(tiles_of(B, C)):
        leaky_relu_backward_tile(tile, dx, dy, x, slope, B, C)


@device
def tanh_forward_tile(tile, y, x, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    y[b, c] = math.tanh(x[b, c])


@kernel
def tanh_forward(y, x, B, C):
    for tile in my_tiles(tiles_of(B, C)):
        tanh_forward_tile(tile, y, x, B, C)


@device
def tanh_backward_tile(tile, dx, dy, y, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    dx[b, c] = dy[b, c] * (real(1) - y[b, c] * y[b, c])


@kernel
def tanh_backward(dx, dy, y, B, C):
    for tile in my_tiles(tiles_of(B, C)):
        tanh_backward_tile(tile, dx, dy, y, B, C)
