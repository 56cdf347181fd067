"""Activations on the CPU: loops that Numba compiles to masked SIMD (one instruction for a vector of elements);
tanh is NumPy's own SIMD code.

A scalar comes as a Python float, which Numba takes for a float64, and so all that is computed with it: hence it
is made one of the array's type before the loop.
"""

import numpy as np

from ..compile import kernel


@kernel
def leaky_relu_forward(y, x, slope):
    a = y.dtype.type(slope)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            v = x[b, c]
            y[b, c] = v if v > 0 else a * v


@kernel
def leaky_relu_backward(dx, dy, x, slope):
    a = dx.dtype.type(slope)
    for b in range(x.shape[0]):
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
