"""Dropout on the CPU: the mask is kept as a byte per element, so that the backward pass draws nothing again.

Drawing and applying are two loops, and whole blocks of four words have no test for the end: both become SIMD.
"""

from ..compile import device, kernel
from ..philox.cpu import stream_block, uniform


@kernel
def dropout_forward(y, mask, x, iteration, seed, stream, rate, first):
    scale, zero = y.dtype.type(1.0 / (1.0 - rate)), y.dtype.type(0)
    x, y, mask = x.ravel(), y.ravel(), mask.ravel()
    draw_mask(mask, 4 * first, x.size, iteration, seed, stream, rate)
    for i in range(x.size):
        y[i] = x[i] * scale if mask[i] else zero


@device
def draw_mask(mask, first, count, iteration, seed, stream, rate):
    """Elements ``first`` to ``first + count`` of the stream's mask."""
    whole = count // 4 if first % 4 == 0 else 0
    for block in range(whole):
        w0, w1, w2, w3 = stream_block(first // 4 + block, iteration, seed, stream)
        mask[4 * block] = uniform(w0) >= rate
        mask[4 * block + 1] = uniform(w1) >= rate
        mask[4 * block + 2] = uniform(w2) >= rate
        mask[4 * block + 3] = uniform(w3) >= rate
    for i in range(4 * whole, count):
        mask[i] = uniform(stream_block((first + i) // 4, iteration, seed, stream)[(first + i) % 4]) >= rate


@kernel
def dropout_backward(dx, dy, mask, rate):
    scale, zero = dx.dtype.type(1.0 / (1.0 - rate)), dx.dtype.type(0)
    for b in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            dx[b, c] = dy[b, c] * scale if mask[b, c] else zero
