"""Dropout on the CPU: the mask is kept as a byte per element, so that the backward pass draws nothing again.

Drawing and applying are two loops, and whole blocks of four words have no test for the end: both become SIMD.
"""

from ..compile import kernel
from ..philox.cpu import stream_block, uniform


@kernel
def dropout_forward(y, mask, x, iteration, seed, stream, rate):
    scale, zero = y.dtype.type(1.0 / (1.0 - rate)), y.dtype.type(0)
    x, y, mask = x.ravel(), y.ravel(), mask.ravel()
    whole = x.size // 4
    for block in range(whole):
        w0, w1, w2, w3 = stream_block(block, iteration, seed, stream)
        mask[4 * block] = uniform(w0) >= rate
        mask[4 * block + 1] = uniform(w1) >= rate
        mask[4 * block + 2] = uniform(w2) >= rate
        mask[4 * block + 3] = uniform(w3) >= rate
    if 4 * whole < x.size:
        words = stream_block(whole, iteration, seed, stream)
        for i in range(4 * whole, x.size):
            mask[i] = uniform(words[i - 4 * whole]) >= rate
    for i in range(x.size):
        y[i] = x[i] * scale if mask[i] else zero


@kernel
def dropout_backward(dx, dy, mask, rate):
    scale, zero = dx.dtype.type(1.0 / (1.0 - rate)), dx.dtype.type(0)
    for b in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            dx[b, c] = dy[b, c] * scale if mask[b, c] else zero
