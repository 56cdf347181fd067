"""Batch normalisation: reductions over columns.

A block owns 32 features with all their rows, so statistics never leave it: mean, variance and the normalised
values come out of one kernel.
"""

import math

from ..geometry import THREADS
from ..numba_common import ceil_div, cuda, locate, locate_on_line, my_tiles, real, steps, sum_over_y, tiles_of
from ..numba_source import device, kernel


# batchnorm_forward_train: normalise each feature over the batch; keep mean and rstd for the backward pass.
#
#   y = gamma (x - mean) rstd + beta,   rstd = 1 / sqrt(var + eps),
#   moving = momentum moving + (1 - momentum) batch   reference.py (1), (2), (3)
#
# Threads   block (32, 8), one tile of 32 columns.  threadIdx.x walks c, so the 32 lanes of a warp read 32
#           neighbouring values of one row; threadIdx.y walks b in steps of 8.
# Memory    x is read three times (mean, squares, normalise), y written once: 16 bytes an element asked for, 8
#           the least possible.  At B = 32 the later reads come from cache.
# Limit     about 8 operations for 16 bytes: bound by bandwidth.
# Barriers  those of the two sums.  Threads with c >= C stay alive to reach them and add zeros.
# Numerics  two passes on purpose: E[x^2] - E[x]^2 loses all of var once |mean| >> std.  Fixed order of
#           additions.
# Source    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# batchnorm_forward_inference: normalise by the moving statistics; no row depends on another.
#
#   y = gamma (x - moving_mean) / sqrt(moving_variance + eps) + beta   reference.py (6)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    x is read, y written: 8 bytes an element; the four vectors of C stay in cache.
# Limit     bound by bandwidth; the root is computed again for each row, which costs less than a barrier.
# Numerics  the same order of operations as in training.
# Source    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 2.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# batchnorm_backward: the gradient through the normalisation, and those of gamma and beta.
#
#   dbeta = sum dy,   dgamma = sum dy xhat,   dx = gamma rstd (dy - dbeta / B - xhat dgamma / B)
#       reference.py (4), (5)
#
# Threads   block (32, 8), one tile of 32 columns with all rows, as forward.
# Memory    dy and x are read twice (sums, dx), dx written: 20 bytes an element asked for, 12 the least
#           possible.
# Limit     bound by bandwidth.
# Barriers  those of the two sums.  Threads with c >= C stay alive to reach them and add zeros.
# Numerics  xhat is formed again from x, mean and rstd, which is cheaper than keeping it.  Fixed order of
#           additions.
# Source    Ioffe & Szegedy 2015, arXiv:1502.03167, section 3, simplified in reference.py.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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
