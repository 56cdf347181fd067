"""Activations on the CPU: loops that Numba compiles to masked SIMD (one instruction for a vector of elements),
shared among threads where there are many elements; tanh is NumPy's own SIMD code.

A scalar comes as a Python float, which Numba takes for a float64, and so all that is computed with it: hence it
is made one of the array's type before the loop.
"""

import numpy as np

from ..compile import device, kernel
from ..pool import POOL, share


def leaky_relu_forward(y, x, slope):
    _forward(POOL.ready(), POOL.parts_of(x.size), y, x, slope)


def leaky_relu_backward(dx, dy, x, slope):
    _backward(POOL.ready(), POOL.parts_of(x.size), dx, dy, x, slope)


@kernel
def _forward(mailbox, parts, y, x, slope):
    share(mailbox, parts, _forward_rows, (y, x, y.dtype.type(slope)))


@device
def _forward_rows(number, parts, y, x, a):
    for b in range(len(x) * number // parts, len(x) * (number + 1) // parts):
        for c in range(x.shape[1]):
            v = x[b, c]
            y[b, c] = v if v > 0 else a * v


@kernel
def _backward(mailbox, parts, dx, dy, x, slope):
    share(mailbox, parts, _backward_rows, (dx, dy, x, dx.dtype.type(slope)))


@device
def _backward_rows(number, parts, dx, dy, x, a):
    for b in range(len(x) * number // parts, len(x) * (number + 1) // parts):
        for c in range(x.shape[1]):
            g = dy[b, c]
            dx[b, c] = g if x[b, c] > 0 else a * g


def tanh_forward(y, x):
    np.tanh(x, out=y)


@kernel
def tanh_backward(dx, dy, y):
    one = dx.dtype.type(1)
    for b in range(y.shape[0]):
        for c in range(y.shape[1]):
            v = y[b, c]
            dx[b, c] = dy[b, c] * (one - v * v)
