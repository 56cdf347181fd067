"""Batch normalisation on the CPU.  The inner loop walks columns, so the sums over the batch run side by side in
SIMD lanes, each in row order; the destinations of a sum serve as its accumulators.

Of many rows there are parts, which threads share, and so they do the rows once the sums are known."""

import math

from ..compile import device, kernel
from ..pool import POOL, share


@device
def _finish(mean, rstd, moving_mean, moving_variance, eps, momentum, batch):
    """From the mean and, in rstd, the sums of squares over the batch on."""
    real = rstd.dtype.type
    old, new = real(momentum), real(1.0 - momentum)
    for c in range(len(mean)):
        variance = rstd[c] / real(batch)
        rstd[c] = real(1) / math.sqrt(variance + real(eps))
        moving_mean[c] = old * moving_mean[c] + new * mean[c]
        moving_variance[c] = old * moving_variance[c] + new * variance


@device
def _normalised(number, parts, y, mean, rstd, x, gamma, beta):
    """Some rows of y."""
    rows, columns = x.shape
    for b in range(rows * number // parts, rows * (number + 1) // parts):
        for c in range(columns):
            y[b, c] = gamma[c] * ((x[b, c] - mean[c]) * rstd[c]) + beta[c]


@device
def _input_gradient(number, parts, dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """Some rows of dx."""
    rows, columns = x.shape
    share_of_one = dx.dtype.type(1.0 / rows)
    for b in range(rows * number // parts, rows * (number + 1) // parts):
        for c in range(columns):
            xhat = (x[b, c] - mean[c]) * rstd[c]
            dx[b, c] = gamma[c] * rstd[c] * (dy[b, c] - share_of_one * (dbeta[c] + xhat * dgamma[c]))


@kernel
def batchnorm_forward_train(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    rows, columns = x.shape
    real = y.dtype.type
    mean[:] = 0
    for b in range(rows):
        for c in range(columns):
            mean[c] += x[b, c]
    for c in range(columns):
        mean[c] /= real(rows)
    rstd[:] = 0
    for b in range(rows):
        for c in range(columns):
            centred = x[b, c] - mean[c]
            rstd[c] += centred * centred
    _finish(mean, rstd, moving_mean, moving_variance, eps, momentum, rows)
    _normalised(0, 1, y, mean, rstd, x, gamma, beta)


@kernel
def batchnorm_forward_inference(y, x, gamma, beta, moving_mean, moving_variance, eps):
    real = y.dtype.type
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            rstd = real(1) / math.sqrt(moving_variance[c] + real(eps))
            y[b, c] = gamma[c] * ((x[b, c] - moving_mean[c]) * rstd) + beta[c]


@kernel
def batchnorm_backward(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    rows, columns = x.shape
    dgamma[:] = 0
    dbeta[:] = 0
    for b in range(rows):
        for c in range(columns):
            g = dy[b, c]
            dbeta[c] += g
            dgamma[c] += g * ((x[b, c] - mean[c]) * rstd[c])
    _input_gradient(0, 1, dx, dgamma, dbeta, dy, x, gamma, mean, rstd)


# In parts -----------------------------------------------------------------------------------------------------


def batchnorm_moments(means, squares, x):
    _moments(POOL.ready(), POOL.parts_of(x.size), means, squares, x)


def batchnorm_normalise(y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum):
    running = moving_mean, moving_variance, eps, momentum
    _normalise(POOL.ready(), POOL.parts_of(x.size), y, mean, rstd, running, x, moments, gamma, beta)


def batchnorm_sums(dgammas, dbetas, dy, x, mean, rstd):
    _sums(POOL.ready(), POOL.parts_of(x.size), dgammas, dbetas, dy, x, mean, rstd)


def batchnorm_dx(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas):
    _dx(POOL.ready(), POOL.parts_of(x.size), dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas)


@device
def _rows_of(s, count, rows):
    """The rows of one part of several, from one to before another."""
    each = (rows + count - 1) // count
    return min(s * each, rows), min((s + 1) * each, rows)


@kernel
def _moments(mailbox, parts, means, squares, x):
    share(mailbox, parts, _some_moments, (means, squares, x))


@device
def _some_moments(number, parts, means, squares, x):
    real, (rows, columns), count = means.dtype.type, x.shape, len(means)
    for s in range(count * number // parts, count * (number + 1) // parts):
        first, last = _rows_of(s, count, rows)
        mean, square, n = means[s], squares[s], real(max(1, last - first))
        mean[:] = 0
        square[:] = 0
        for b in range(first, last):
            for c in range(columns):
                mean[c] += x[b, c]
        for c in range(columns):
            mean[c] /= n
        for b in range(first, last):
            for c in range(columns):
                centred = x[b, c] - mean[c]
                square[c] += centred * centred


@kernel
def _normalise(mailbox, parts, y, mean, rstd, running, x, moments, gamma, beta):
    real, (rows, columns), (ranks, _, count, _) = y.dtype.type, x.shape, moments.shape
    mean[:] = 0
    rstd[:] = 0
    for r in range(ranks):
        for s in range(count):
            first, last = _rows_of(s, count, rows)
            for c in range(columns):
                mean[c] += real(last - first) * moments[r, 0, s, c] / real(ranks * rows)
    for r in range(ranks):
        for s in range(count):
            first, last = _rows_of(s, count, rows)
            for c in range(columns):
                apart = moments[r, 0, s, c] - mean[c]
                rstd[c] += moments[r, 1, s, c] + real(last - first) * apart * apart
    moving_mean, moving_variance, eps, momentum = running
    _finish(mean, rstd, moving_mean, moving_variance, eps, momentum, ranks * rows)
    share(mailbox, parts, _normalised, (y, mean, rstd, x, gamma, beta))


@kernel
def _sums(mailbox, parts, dgammas, dbetas, dy, x, mean, rstd):
    share(mailbox, parts, _some_sums, (dgammas, dbetas, dy, x, mean, rstd))


@device
def _some_sums(number, parts, dgammas, dbetas, dy, x, mean, rstd):
    count = len(dbetas)
    for s in range(count * number // parts, count * (number + 1) // parts):
        first, last = _rows_of(s, count, x.shape[0])
        dgamma, dbeta = dgammas[s], dbetas[s]
        dgamma[:] = 0
        dbeta[:] = 0
        for b in range(first, last):
            for c in range(x.shape[1]):
                g = dy[b, c]
                dbeta[c] += g
                dgamma[c] += g * ((x[b, c] - mean[c]) * rstd[c])


@kernel
def _dx(mailbox, parts, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas):
    dgamma[:] = 0
    dbeta[:] = 0
    for s in range(len(dbetas)):
        for c in range(x.shape[1]):
            dgamma[c] += dgammas[s, c]
            dbeta[c] += dbetas[s, c]
    share(mailbox, parts, _input_gradient, (dx, dgamma, dbeta, dy, x, gamma, mean, rstd))
