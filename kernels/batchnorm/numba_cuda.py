"""Batch normalisation, as in cuda.cu, but that threads beyond the last column walk no rows."""

import math

from ..geometry import THREADS
from ..numba_common import (
    ceil_div,
    cuda,
    divide,
    locate,
    locate_on_line,
    my_tiles,
    real,
    steps,
    sum_over_y,
    tiles_of,
    uint32,
)
from ..numba_source import device, kernel


@device
def batchnorm_forward_train_tile(
    tile, scratch, y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum, B, C
):
    c = locate_on_line(tile)
    rows = B if c < C else 0
    total = real(0)
    for b in steps(cuda.threadIdx.y, rows, cuda.blockDim.y):
        total += x[b, c]
    mean_c = sum_over_y(total, scratch) / real(B)
    total = real(0)
    for b in steps(cuda.threadIdx.y, rows, cuda.blockDim.y):
        centred = x[b, c] - mean_c
        total += centred * centred
    variance = sum_over_y(total, scratch) / real(B)
    if c >= C:
        return  # no barrier below
    rstd_c = real(1) / math.sqrt(variance + eps)
    gamma_c, beta_c = gamma[c], beta[c]
    for b in steps(cuda.threadIdx.y, B, cuda.blockDim.y):
        y[b, c] = gamma_c * ((x[b, c] - mean_c) * rstd_c) + beta_c
    if cuda.threadIdx.y == 0:
        mean[c] = mean_c
        rstd[c] = rstd_c
        moving_mean[c] = momentum * moving_mean[c] + (real(1) - momentum) * mean_c
        moving_variance[c] = momentum * moving_variance[c] + (real(1) - momentum) * variance


@kernel
def batchnorm_forward_train(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum, B, C):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(ceil_div(C, cuda.blockDim.x)):
        batchnorm_forward_train_tile(
            tile, scratch, y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum, B, C
        )


@device
def batchnorm_forward_inference_tile(tile, y, x, gamma, beta, moving_mean, moving_variance, eps, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    rstd_c = real(1) / math.sqrt(moving_variance[c] + eps)
    y[b, c] = gamma[c] * ((x[b, c] - moving_mean[c]) * rstd_c) + beta[c]


@kernel
def batchnorm_forward_inference(y, x, gamma, beta, moving_mean, moving_variance, eps, B, C):
    for tile in my_tiles(tiles_of(B, C)):
        batchnorm_forward_inference_tile(tile, y, x, gamma, beta, moving_mean, moving_variance, eps, B, C)


@device
def batchnorm_backward_tile(tile, scratch, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, B, C):
    c = locate_on_line(tile)
    rows = B if c < C else 0
    mean_c = mean[c] if c < C else real(0)
    rstd_c = rstd[c] if c < C else real(0)
    dbeta_c, dgamma_c = real(0), real(0)
    for b in steps(cuda.threadIdx.y, rows, cuda.blockDim.y):
        g = dy[b, c]
        dbeta_c += g
        dgamma_c += g * ((x[b, c] - mean_c) * rstd_c)
    dbeta_c = sum_over_y(dbeta_c, scratch)
    dgamma_c = sum_over_y(dgamma_c, scratch)
    if c >= C:
        return  # no barrier below
    gamma_c = gamma[c]
    for b in steps(cuda.threadIdx.y, B, cuda.blockDim.y):
        xhat = (x[b, c] - mean_c) * rstd_c
        dx[b, c] = gamma_c * rstd_c * (dy[b, c] - (dbeta_c + xhat * dgamma_c) / real(B))
    if cuda.threadIdx.y == 0:
        dbeta[c] = dbeta_c
        dgamma[c] = dgamma_c


@kernel
def batchnorm_backward(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, B, C):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(ceil_div(C, cuda.blockDim.x)):
        batchnorm_backward_tile(tile, scratch, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, B, C)


# Rows in parts ----------------------------------------------------------------------------------------------


@device
def locate_in_part(tile, C):
    """A tile's part, and this thread's column."""
    s, across = divide(tile, ceil_div(C, cuda.blockDim.x))
    return s, uint32(across * cuda.blockDim.x + cuda.threadIdx.x)


@device
def first_row_of(part, S, B):
    return min(uint32(part * ceil_div(B, S)), uint32(B))


@device
def rows_of(part, S, B):
    return uint32(first_row_of(part + 1, S, B) - first_row_of(part, S, B))


@device
def my_rows(s, S, C, c, B):
    """This thread's rows of a part; none beyond the last column."""
    last = first_row_of(s + 1, S, B) if c < C else 0
    return steps(first_row_of(s, S, B) + cuda.threadIdx.y, last, cuda.blockDim.y)


@device
def batchnorm_moments_tile(tile, scratch, means, squares, x, S, C, B):
    s, c = locate_in_part(tile, C)
    total = real(0)
    for b in my_rows(s, S, C, c, B):
        total += x[b, c]
    mean_s = sum_over_y(total, scratch) / real(max(uint32(1), rows_of(s, S, B)))
    total = real(0)
    for b in my_rows(s, S, C, c, B):
        centred = x[b, c] - mean_s
        total += centred * centred
    total = sum_over_y(total, scratch)
    if c < C and cuda.threadIdx.y == 0:
        means[s, c] = mean_s
        squares[s, c] = total


@kernel
def batchnorm_moments(means, squares, x, S, C, B):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(S * ceil_div(C, cuda.blockDim.x)):
        batchnorm_moments_tile(tile, scratch, means, squares, x, S, C, B)


@device
def batchnorm_normalise_tile(
    tile, scratch, y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum,
    B, C, R, S,
):  # fmt: skip
    s, c = locate_in_part(tile, C)
    parts = R * S if c < C else 0
    total = real(0)
    for p in steps(cuda.threadIdx.y, parts, cuda.blockDim.y):
        r, q = divide(p, S)
        total += real(rows_of(q, S, B)) * moments[r, 0, q, c]
    mean_c = sum_over_y(total, scratch) / real(R * B)
    total = real(0)
    for p in steps(cuda.threadIdx.y, parts, cuda.blockDim.y):
        r, q = divide(p, S)
        apart = moments[r, 0, q, c] - mean_c
        total += moments[r, 1, q, c] + real(rows_of(q, S, B)) * apart * apart
    variance = sum_over_y(total, scratch) / real(R * B)
    if c >= C:
        return  # no barrier below
    rstd_c = real(1) / math.sqrt(variance + eps)
    gamma_c, beta_c = gamma[c], beta[c]
    for b in my_rows(s, S, C, c, B):
        y[b, c] = gamma_c * ((x[b, c] - mean_c) * rstd_c) + beta_c
    if s == 0 and cuda.threadIdx.y == 0:
        mean[c] = mean_c
        rstd[c] = rstd_c
        moving_mean[c] = momentum * moving_mean[c] + (real(1) - momentum) * mean_c
        moving_variance[c] = momentum * moving_variance[c] + (real(1) - momentum) * variance


@kernel
def batchnorm_normalise(
    y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum, B, C, R, S
):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(S * ceil_div(C, cuda.blockDim.x)):
        batchnorm_normalise_tile(
            tile, scratch, y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum,
            B, C, R, S,
        )  # fmt: skip


@device
def batchnorm_sums_tile(tile, scratch, dgammas, dbetas, dy, x, mean, rstd, S, C, B):
    s, c = locate_in_part(tile, C)
    mean_c = mean[c] if c < C else real(0)
    rstd_c = rstd[c] if c < C else real(0)
    dbeta_s, dgamma_s = real(0), real(0)
    for b in my_rows(s, S, C, c, B):
        g = dy[b, c]
        dbeta_s += g
        dgamma_s += g * ((x[b, c] - mean_c) * rstd_c)
    dbeta_s = sum_over_y(dbeta_s, scratch)
    dgamma_s = sum_over_y(dgamma_s, scratch)
    if c < C and cuda.threadIdx.y == 0:
        dbetas[s, c] = dbeta_s
        dgammas[s, c] = dgamma_s


@kernel
def batchnorm_sums(dgammas, dbetas, dy, x, mean, rstd, S, C, B):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(S * ceil_div(C, cuda.blockDim.x)):
        batchnorm_sums_tile(tile, scratch, dgammas, dbetas, dy, x, mean, rstd, S, C, B)


@device
def batchnorm_dx_tile(tile, scratch, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas, B, C, S):
    s, c = locate_in_part(tile, C)
    parts = S if c < C else 0
    dbeta_c, dgamma_c = real(0), real(0)
    for p in steps(cuda.threadIdx.y, parts, cuda.blockDim.y):
        dbeta_c += dbetas[p, c]
        dgamma_c += dgammas[p, c]
    dbeta_c = sum_over_y(dbeta_c, scratch)
    dgamma_c = sum_over_y(dgamma_c, scratch)
    if c >= C:
        return  # no barrier below
    mean_c, rstd_c, gamma_c = mean[c], rstd[c], gamma[c]
    for b in my_rows(s, S, C, c, B):
        xhat = (x[b, c] - mean_c) * rstd_c
        dx[b, c] = gamma_c * rstd_c * (dy[b, c] - (dbeta_c + xhat * dgamma_c) / real(B))
    if s == 0 and cuda.threadIdx.y == 0:
        dbeta[c] = dbeta_c
        dgamma[c] = dgamma_c


@kernel
def batchnorm_dx(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas, B, C, S):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(S * ceil_div(C, cuda.blockDim.x)):
        batchnorm_dx_tile(tile, scratch, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas, B, C, S)
