"""Batch normalisation, as in cuda.cu, but that threads beyond the last column walk no rows."""

import math

from ..geometry import THREADS
from ..numba_common import ceil_div, cuda, locate, locate_on_line, my_tiles, real, steps, sum_over_y, tiles_of
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
