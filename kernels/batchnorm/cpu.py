"""Batch normalisation on the CPU.  The inner loop walks columns, so the sums over the batch run side by side in
SIMD lanes, each in row order; the destinations of a sum serve as its accumulators."""

import math

from ..compile import kernel


@kernel
def batchnorm_forward_train(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    rows, columns = x.shape
    real = y.dtype.type
    old, new = real(momentum), real(1.0 - momentum)
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
    for c in range(columns):
        variance = rstd[c] / real(rows)
        rstd[c] = real(1) / math.sqrt(variance + real(eps))
        moving_mean[c] = old * moving_mean[c] + new * mean[c]
        moving_variance[c] = old * moving_variance[c] + new * variance
    for b in range(rows):
        for c in range(columns):
            y[b, c] = gamma[c] * ((x[b, c] - mean[c]) * rstd[c]) + beta[c]


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
    share = dx.dtype.type(1.0 / rows)
    dgamma[:] = 0
    dbeta[:] = 0
    for b in range(rows):
        for c in range(columns):
            g = dy[b, c]
            dbeta[c] += g
            dgamma[c] += g * ((x[b, c] - mean[c]) * rstd[c])
    for b in range(rows):
        for c in range(columns):
            xhat = (x[b, c] - mean[c]) * rstd[c]
            dx[b, c] = gamma[c] * rstd[c] * (dy[b, c] - share * (dbeta[c] + xhat * dgamma[c]))
