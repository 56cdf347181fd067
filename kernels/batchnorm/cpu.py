"""Batch normalisation on the CPU.  The inner loop walks columns, so the sums over the batch run side by side in
SIMD lanes, each in row order; the destinations of a sum serve as its accumulators."""

import math

from ..compile import device, kernel


@device
def _normalise(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum, batch):
    """From the mean and, in rstd, the sums of squares over the batch on."""
    real, (rows, columns) = y.dtype.type, x.shape
    old, new = real(momentum), real(1.0 - momentum)
    for c in range(columns):
        variance = rstd[c] / real(batch)
        rstd[c] = real(1) / math.sqrt(variance + real(eps))
        moving_mean[c] = old * moving_mean[c] + new * mean[c]
        moving_variance[c] = old * moving_variance[c] + new * variance
    for b in range(rows):
        for c in range(columns):
            y[b, c] = gamma[c] * ((x[b, c] - mean[c]) * rstd[c]) + beta[c]


@device
def _input_gradient(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    rows, columns = x.shape
    share = dx.dtype.type(1.0 / rows)
    for b in range(rows):
        for c in range(columns):
            xhat = (x[b, c] - mean[c]) * rstd[c]
            dx[b, c] = gamma[c] * rstd[c] * (dy[b, c] - share * (dbeta[c] + xhat * dgamma[c]))


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
    _normalise(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum, rows)


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
    _input_gradient(dx, dgamma, dbeta, dy, x, gamma, mean, rstd)


@device
def _part(number, parts, rows):
    """The rows of a part, from one to before another."""
    each = (rows + parts - 1) // parts
    return min(number * each, rows), min((number + 1) * each, rows)


@kernel
def batchnorm_moments(means, squares, x):
    real, (rows, columns), parts = means.dtype.type, x.shape, len(means)
    means[:] = 0
    squares[:] = 0
    for s in range(parts):
        first, last = _part(s, parts, rows)
        mean, square, count = means[s], squares[s], real(max(1, last - first))
        for b in range(first, last):
            for c in range(columns):
                mean[c] += x[b, c]
        for c in range(columns):
            mean[c] /= count
        for b in range(first, last):
            for c in range(columns):
                centred = x[b, c] - mean[c]
                square[c] += centred * centred


@kernel
def batchnorm_normalise(y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum):
    real, (rows, columns), (ranks, _, parts, _) = y.dtype.type, x.shape, moments.shape
    mean[:] = 0
    rstd[:] = 0
    for r in range(ranks):
        for s in range(parts):
            first, last = _part(s, parts, rows)
            for c in range(columns):
                mean[c] += real(last - first) * moments[r, 0, s, c] / real(ranks * rows)
    for r in range(ranks):
        for s in range(parts):
            first, last = _part(s, parts, rows)
            for c in range(columns):
                apart = moments[r, 0, s, c] - mean[c]
                rstd[c] += moments[r, 1, s, c] + real(last - first) * apart * apart
    _normalise(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum, ranks * rows)


@kernel
def batchnorm_sums(dgammas, dbetas, dy, x, mean, rstd):
    parts = len(dbetas)
    dgammas[:] = 0
    dbetas[:] = 0
    for s in range(parts):
        first, last = _part(s, parts, x.shape[0])
        for b in range(first, last):
            for c in range(x.shape[1]):
                g = dy[b, c]
                dbetas[s, c] += g
                dgammas[s, c] += g * ((x[b, c] - mean[c]) * rstd[c])


@kernel
def batchnorm_dx(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas):
    dgamma[:] = 0
    dbeta[:] = 0
    for s in range(len(dbetas)):
        for c in range(x.shape[1]):
            dgamma[c] += dgammas[s, c]
            dbeta[c] += dbetas[s, c]
    _input_gradient(dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
