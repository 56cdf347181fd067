"""LeakyReLU and tanh: maps, the simplest pattern.  One thread an element; no thread needs another's result."""

import math

from ..numba_common import locate, my_tiles, real, tiles_of
from ..numba_source import device, kernel


# leaky_relu_forward: x where it is positive, a fraction of it elsewhere.
#
#   y = x if x > 0, else slope x   reference.py (1)
#
# Threads   block (32, 8), a tile of as many elements; lanes of a warp take neighbouring columns.
# Memory    x is read once, y written once: 8 bytes an element, the least possible.
# Limit     one multiplication for 8 bytes: bound by bandwidth.
# Numerics  at exactly 0 the slope is taken, which gives 0 (and keeps the sign of -0).
# Source    Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models", section 2.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# leaky_relu_backward: let the gradient through where x was positive, a fraction of it elsewhere.
#
#   dx = dy if x > 0, else slope dy   reference.py (2)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    dy and x are read once, dx written once: 12 bytes an element, the least possible.
# Limit     bound by bandwidth.
# Numerics  the test is on x, not on y, and is the forward pass's.
# Source    the derivative of (1); 0 at the kink itself.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# tanh_forward: the generator's output, squeezed into the range of a pixel.
#
#   y = tanh(x)   reference.py (3)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    x is read once, y written once: 8 bytes an element, the least possible.
# Limit     some 20 instructions an element: still bound by bandwidth on a large batch.
# Numerics  the library's tanh, within 2 units in the last place; the hardware's tanh.approx has 11 bits.
# Source    CUDA C++ Programming Guide, "Mathematical functions", table of errors.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# tanh_backward: the gradient through tanh, from its output alone.
#
#   dx = dy (1 - y^2)   reference.py (4)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    dy and y are read once, dx written once: 12 bytes an element, the least possible.
# Limit     bound by bandwidth.
# Numerics  1 - y^2 is exact to half a unit of y^2; where tanh has saturated to 1 the gradient is 0.
# Source    the derivative of (3).
# Same op   reference.py (float64)   cpu.py   cuda.cu
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
