"""LeakyReLU and tanh, as in cuda.cu, where the headers are.

An array has rows and columns here, where C++ has a pointer: so the number of an element is divided by the
number of columns.  What is not Numba's own (``real``, ``divide``, ``steps``, ...) is numba_common.py's.
"""

import math

from ..numba_common import ceil_div, cuda, divide, locate_on_line, my_tiles, real, steps
from ..numba_source import device, kernel


@kernel
def leaky_relu_forward(y, x, slope, B, C):
    first = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    threads = cuda.gridDim.x * cuda.blockDim.x
    for i in steps(first, B * C, threads):
        b, c = divide(i, C)
        v = x[b, c]
        y[b, c] = v if v > real(0) else slope * v


@device
def leaky_relu_backward_tile(tile, dx, dy, x, slope, B, C):
    b, c = divide(locate_on_line(tile), C)
    if b >= B:
        return
    g = dy[b, c]
    dx[b, c] = g if x[b, c] > real(0) else slope * g


@kernel
def leaky_relu_backward(dx, dy, x, slope, B, C):
    for tile in my_tiles(ceil_div(B * C, cuda.blockDim.x)):
        leaky_relu_backward_tile(tile, dx, dy, x, slope, B, C)


@device
def tanh_forward_tile(tile, y, x, B, C):
    b, c = divide(locate_on_line(tile), C)
    if b < B:
        y[b, c] = math.tanh(x[b, c])


@kernel
def tanh_forward(y, x, B, C):
    for tile in my_tiles(ceil_div(B * C, cuda.blockDim.x)):
        tanh_forward_tile(tile, y, x, B, C)


@device
def tanh_backward_tile(tile, dx, dy, y, B, C):
    b, c = divide(locate_on_line(tile), C)
    if b < B:
        dx[b, c] = dy[b, c] * (real(1) - y[b, c] * y[b, c])


@kernel
def tanh_backward(dx, dy, y, B, C):
    for tile in my_tiles(ceil_div(B * C, cuda.blockDim.x)):
        tanh_backward_tile(tile, dx, dy, y, B, C)
