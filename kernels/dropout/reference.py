"""Inverted dropout in NumPy (Srivastava et al. 2014, with the scaling moved to training time).

    (1)  mask = 1 if u >= rate else 0,   u the stream's uniform for the element's row-major index i + 4 first
    (2)  y = mask x / (1 - rate)
    (3)  dx = mask dy / (1 - rate)

The mask is a constant to the backward pass.  The division keeps the mean of y at x, so inference does nothing.
"""

from ..philox.reference import stream_words, uniform


def dropout_forward(y, mask, x, iteration, seed, stream, rate, first):
    u = uniform(stream_words(x.size, iteration, seed, stream, first)).reshape(x.shape)
    mask[...] = u >= rate  # (1)
    y[...] = mask * x / (1 - rate)  # (2)


def dropout_backward(dx, dy, mask, rate):
    dx[...] = mask * dy / (1 - rate)  # (3)
