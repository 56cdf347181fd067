"""The dense layer on the CPU: the products are BLAS calls, which read a transposed view without copying it."""

from functools import cache

import numpy as np

from ..compile import kernel


def dense_forward(y, x, w, b):
    np.matmul(x, w, out=y)
    _add_bias(y, b)


def dense_backward_input(dx, dy, w):
    """By way of the transpose: BLAS reads w along its rows for w dy^T, and takes half the time of dy w^T."""
    transposed = _scratch(dx.shape[::-1], dx.dtype)
    np.matmul(w, dy.T, out=transposed)
    _transpose(dx, transposed)


def dense_backward_weight(dw, x, dy):
    np.matmul(x.T, dy, out=dw)


@kernel
def dense_backward_bias(db, dy):
    db[:] = 0
    for m in range(dy.shape[0]):
        for n in range(dy.shape[1]):
            db[n] += dy[m, n]


@kernel
def _add_bias(y, b):
    """A loop because NumPy's broadcasting sum allocates a buffer of 32 KB on each call."""
    for m in range(y.shape[0]):
        for n in range(y.shape[1]):
            y[m, n] += b[n]


@kernel
def _transpose(out, x):
    for m in range(out.shape[0]):
        for n in range(out.shape[1]):
            out[m, n] = x[n, m]


@cache
def _scratch(shape, dtype):
    """One buffer for each shape that occurs, made when it first does."""
    return np.empty(shape, dtype)
