"""Adam on the CPU: one pass over memory, shared among threads."""

import math

import numpy as np

from ..compile import device, kernel
from ..pool import POOL, WORDS, Part, floats, run

_LINE = 16  # float32 in a cache line: no two threads write to one

#: Rate, beta1, beta2, 1 - beta1, 1 - beta2, epsilon: formed in double, then rounded.
_SCALARS = {np.dtype(real): np.zeros(6, real) for real in (np.float32, np.float64)}


def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    scalars = _SCALARS[p.dtype]
    scalars[:] = _rate(int(t[0]), learning_rate, beta1, beta2), beta1, beta2, 1 - beta1, 1 - beta2, eps
    if p.dtype == np.float32:
        _share(POOL.ready(), _update_part.address, POOL.parts, p, m, v, g, scalars)
    else:
        _alone(p, m, v, g, scalars)


def _rate(step, learning_rate, beta1, beta2):
    """By reference.py (3); NaN for an update before the first."""
    return learning_rate * math.sqrt(1 - beta2**step) / (1 - beta1**step) if step else math.nan


@device
def _update(p, m, v, g, scalars):
    rate, b1, b2, c1, c2, e = scalars[0], scalars[1], scalars[2], scalars[3], scalars[4], scalars[5]
    for i in range(p.size):
        gi = g[i]
        mi = b1 * m[i] + c1 * gi
        vi = b2 * v[i] + c2 * gi * gi
        m[i] = mi
        v[i] = vi
        p[i] -= rate * mi / (math.sqrt(vi) + e)


@Part
def _update_part(number, parts, words):
    # The words: addresses of p, m, v, g and the scalars, then how many elements there are.
    lines = (words[5] + _LINE - 1) // _LINE
    first, last = lines * number // parts * _LINE, min(words[5], lines * (number + 1) // parts * _LINE)
    n, skipped = last - first, 4 * first
    p, m = floats(words[0] + skipped, (n,)), floats(words[1] + skipped, (n,))
    v, g = floats(words[2] + skipped, (n,)), floats(words[3] + skipped, (n,))
    _update(p, m, v, g, floats(words[4], (6,)))


@kernel
def _share(mailbox, address, parts, p, m, v, g, scalars):
    words = mailbox[WORDS:]
    words[0], words[1], words[2], words[3] = p.ctypes.data, m.ctypes.data, v.ctypes.data, g.ctypes.data
    words[4], words[5] = scalars.ctypes.data, p.size
    run(mailbox, address, parts)


@kernel
def _alone(p, m, v, g, scalars):
    _update(p, m, v, g, scalars)
