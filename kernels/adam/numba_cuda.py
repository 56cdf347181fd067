"""Adam: a map with state, over all parameters of a network in one launch."""

import math

from ..numba_common import ceil_div, cuda, locate_on_line, my_tiles, real
from ..numba_source import device, kernel


# adam_step: move every parameter by its gradient's running mean over the root of its running mean square.
#
#   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,   p -= rate m / (sqrt(v) + eps)
#       reference.py (1)-(3)
#
# Threads   block (THREADS, 1), a tile of as many elements of the flat buffer.
# Memory    p, m and v are read and written, g read: 28 bytes an element, the least possible.
# Limit     11 operations for 28 bytes: bound by bandwidth.
# Barriers  one, between the thread that computes the rate and all that use it.
# Numerics  the rate and 1 - beta2 = 0.001 are formed in double: in float, 1 - 0.999f is off by 1e-5 of itself.
# Source    Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1 and the end of section 2 ("epsilon hat").
# Same op   reference.py (float64)   cpu.py   cuda.cu
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
