"""A dense layer and what stands before the next one, on the CPU: whoever computes columns of y, with all their
rows, goes on with them while they are in the core's cache."""

import math

import numpy as np

from ..compile import device, kernel
from ..dense.blocks import product, scratch
from ..dense.microkernel import COLUMNS, matrix
from ..dropout.cpu import draw_mask
from ..embedding.cpu import embedding_forward
from ..pool import POOL, share


def fused_forward_leaky_relu(y, x, w, b, slope):
    _leaky_relu(POOL.ready(), POOL.parts, y, x, w, b, slope)


def fused_forward_embedding(y, x, table, labels, w, b, slope):
    h = scratch("h", x.shape, x.dtype)
    embedding_forward(h, x, table, labels)
    fused_forward_leaky_relu(y, h, w, b, slope)


def fused_forward_dropout(y, mask, x, w, b, iteration, slope, seed, stream, rate):
    _dropout(POOL.ready(), POOL.parts, y, mask, x, w, b, iteration, slope, seed, stream, rate)


def fused_forward_batchnorm(
    y, r, mean, rstd, moving_mean, moving_variance, x, w, b, gamma, beta, slope, eps, momentum
):
    moving = moving_mean, moving_variance
    _batchnorm(POOL.ready(), POOL.parts, y, r, mean, rstd, *moving, x, w, b, gamma, beta, slope, eps, momentum)


def fused_forward_tanh(y, x, w, b):
    _linear(POOL.ready(), POOL.parts, y, x, w, b)
    np.tanh(y, out=y)


@device
def _columns(y, number, parts):
    """Where the blocks of columns of a part begin."""
    blocks = (y.shape[-1] + COLUMNS - 1) // COLUMNS
    return range(blocks * number // parts * COLUMNS, blocks * (number + 1) // parts * COLUMNS, COLUMNS)


@device
def _multiply(y, x, w, b, j, wide):
    """``wide`` columns of y = x w + b, from the j-th on; y and x may have their rows in two halves."""
    columns, depth = y.shape[-1], x.shape[-1]
    rows = y.size // columns
    to, left, right = matrix(y.ravel(), j, columns), matrix(x.ravel(), 0, depth), matrix(w.ravel(), j, columns)
    product(to, left, right, matrix(b, j, 0), rows, wide, depth)


@kernel
def _linear(mailbox, parts, y, x, w, b):
    share(mailbox, parts, _linear_part, (y, x, w, b))


@device
def _linear_part(number, parts, y, x, w, b):
    for j in _columns(y, number, parts):
        _multiply(y, x, w, b, j, min(COLUMNS, y.shape[1] - j))


@kernel
def _leaky_relu(mailbox, parts, y, x, w, b, slope):
    share(mailbox, parts, _leaky_relu_part, (y, x, w, b, slope))


@device
def _leaky_relu_part(number, parts, y, x, w, b, slope):
    a = y.dtype.type(slope)
    for j in _columns(y, number, parts):
        wide = min(COLUMNS, y.shape[1] - j)
        _multiply(y, x, w, b, j, wide)
        for m in range(len(y)):
            if wide == COLUMNS:
                _kink(y[m, j:], y[m, j:], a, COLUMNS)
            else:
                _kink(y[m, j:], y[m, j:], a, wide)


@device
def _kink(y, x, slope, wide):
    """LeakyReLU of a row.  (``wide`` is mostly a constant, which makes of a loop over it some vectors.)"""
    for n in range(wide):
        v = x[n]
        y[n] = v if v > 0 else slope * v


@kernel
def _dropout(mailbox, parts, y, mask, x, w, b, iteration, slope, seed, stream, rate):
    share(mailbox, parts, _dropout_part, (y, mask, x, w, b, iteration, slope, seed, stream, rate))


@device
def _dropout_part(number, parts, y, mask, x, w, b, iteration, slope, seed, stream, rate):
    """Masks of all blocks are drawn at once: of the few words in a block's row a compiler makes no vectors."""
    columns, real, mine = y.shape[1], y.dtype.type, _columns(y, number, parts)
    kept, slope = real(1.0 / (1.0 - rate)), real(slope)
    first, count = mine.start, min(mine.stop, columns) - mine.start
    for m in range(len(y)):
        draw_mask(mask[m, first:], m * columns + first, count, iteration, seed, stream, rate)
    for j in mine:
        wide = min(COLUMNS, columns - j)
        _multiply(y, x, w, b, j, wide)
        for m in range(len(y)):
            if wide == COLUMNS:
                _drop(y[m, j:], mask[m, j:], slope, kept, COLUMNS)
            else:
                _drop(y[m, j:], mask[m, j:], slope, kept, wide)


@device
def _drop(y, mask, slope, kept, wide):
    for n in range(wide):
        v = y[n]
        v = v if v > 0 else slope * v
        y[n] = v * kept if mask[n] else y.dtype.type(0)


@kernel
def _batchnorm(
    mailbox, parts, y, r, mean, rstd, moving_mean, moving_variance, x, w, b, gamma, beta, slope, eps, momentum
):
    statistics = mean, rstd, moving_mean, moving_variance
    share(mailbox, parts, _batchnorm_part, (y, r, *statistics, x, w, b, gamma, beta, slope, eps, momentum))


@device
def _batchnorm_part(
    number, parts, y, r, mean, rstd, moving_mean, moving_variance, x, w, b, gamma, beta, slope, eps, momentum
):
    for j in _columns(y, number, parts):
        wide = min(COLUMNS, y.shape[2] - j)
        _multiply(y, x, w, b, j, wide)
        now, moving, learned = (
            (mean[j:], rstd[j:]),
            (moving_mean[j:], moving_variance[j:]),
            (gamma[j:], beta[j:]),
        )
        if wide == COLUMNS:
            _normalise(y, r, now, moving, learned, slope, eps, momentum, j, COLUMNS)
        else:
            _normalise(y, r, now, moving, learned, slope, eps, momentum, j, wide)


@device
def _normalise(y, r, statistics, moving, learned, slope, eps, momentum, j, wide):
    """The columns of a block, as batchnorm/cpu.py does all of them: first y[0] by the moving statistics."""
    (mean, rstd), (moving_mean, moving_variance), (gamma, beta) = statistics, moving, learned
    real, rows = y.dtype.type, y.shape[1]
    slope, eps, old, new = real(slope), real(eps), real(momentum), real(1.0 - momentum)
    for n in range(wide):
        rstd[n] = real(1) / math.sqrt(moving_variance[n] + eps)
        mean[n] = 0
    for m in range(rows):
        shown = y[0, m, j:]
        for n in range(wide):
            v = shown[n]
            v = v if v > 0 else slope * v
            shown[n] = gamma[n] * ((v - moving_mean[n]) * rstd[n]) + beta[n]
    for m in range(rows):
        trained, own = y[1, m, j:], r[m, j:]
        for n in range(wide):
            v = trained[n]
            v = v if v > 0 else slope * v
            own[n] = v
            mean[n] += v
    for n in range(wide):
        mean[n] /= real(rows)
        rstd[n] = 0
    for m in range(rows):
        own = r[m, j:]
        for n in range(wide):
            centred = own[n] - mean[n]
            rstd[n] += centred * centred
    for n in range(wide):
        variance = rstd[n] / real(rows)
        rstd[n] = real(1) / math.sqrt(variance + eps)
        moving_mean[n] = old * moving_mean[n] + new * mean[n]
        moving_variance[n] = old * moving_variance[n] + new * variance
    for m in range(rows):
        trained, own = y[1, m, j:], r[m, j:]
        for n in range(wide):
            trained[n] = gamma[n] * ((own[n] - mean[n]) * rstd[n]) + beta[n]
