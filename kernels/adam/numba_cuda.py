"""Adam, as in cuda.cu.  Numba shares arrays, not numbers, so the rate is an array of one."""

import math

from ..numba_common import ceil_div, cuda, locate_on_line, my_tiles, real
from ..numba_source import device, kernel


@device
def adam_step_tile(tile, p, m, v, g, rate, beta1, beta2, eps, n):
    i = locate_on_line(tile)
    if i >= n:
        return
    gi = g[i]
    mi = real(beta1) * m[i] + real(1 - beta1) * gi
    vi = real(beta2) * v[i] + real(1 - beta2) * gi * gi
    m[i] = mi
    v[i] = vi
    p[i] -= rate * mi / (math.sqrt(vi) + real(eps))


@kernel
def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps, n):
    rate = cuda.shared.array(1, real)
    if cuda.threadIdx.x == 0:
        step = float(t[0])
        rate[0] = real(learning_rate * math.sqrt(1 - math.pow(beta2, step)) / (1 - math.pow(beta1, step)))
    cuda.syncthreads()  # the rate is there
    for tile in my_tiles(ceil_div(n, cuda.blockDim.x)):
        adam_step_tile(tile, p, m, v, g, rate[0], beta1, beta2, eps, n)
