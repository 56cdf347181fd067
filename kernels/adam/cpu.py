"""Adam on the CPU: one pass over memory, shared among threads."""

import math

import numpy as np
from numba import carray, njit

from ..compile import kernel
from ..pool import POOL, WORDS, Part, floats, run

_LINE = 16  # float32 in a cache line: no two threads write to one


@njit(error_model="numpy")
def _update(p, m, v, g, rate, beta1, beta2, eps):
    real = p.dtype.type
    r, b1, b2, c1, c2, e = real(rate), real(beta1), real(beta2), real(1.0 - beta1), real(1.0 - beta2), real(eps)
    for i in range(p.size):
        gi = g[i]
        mi = b1 * m[i] + c1 * gi
        vi = b2 * v[i] + c2 * gi * gi
        m[i] = mi
        v[i] = vi
        p[i] -= r * mi / (math.sqrt(vi) + e)


@njit(error_model="numpy")
def _rate(t, learning_rate, beta1, beta2):
    return learning_rate * math.sqrt(1.0 - beta2 ** t[0]) / (1.0 - beta1 ** t[0])  # reference.py (3)


@Part
def _update_part(number, parts, words):
    scalars, lines = carray(words, (9,)).view(np.float64)[5:], (words[4] + _LINE - 1) // _LINE
    first, last = lines * number // parts * _LINE, min(words[4], lines * (number + 1) // parts * _LINE)
    n, skipped = last - first, 4 * first
    p, m = floats(words[0] + skipped, (n,)), floats(words[1] + skipped, (n,))
    v, g = floats(words[2] + skipped, (n,)), floats(words[3] + skipped, (n,))
    _update(p, m, v, g, scalars[0], scalars[1], scalars[2], scalars[3])


@kernel
def _share(mailbox, address, parts, p, m, v, g, t, learning_rate, beta1, beta2, eps):
    words = mailbox[WORDS:]
    words[0], words[1], words[2], words[3] = p.ctypes.data, m.ctypes.data, v.ctypes.data, g.ctypes.data
    words[4], scalars = p.size, words[5:9].view(np.float64)
    scalars[0], scalars[1], scalars[2] = _rate(t, learning_rate, beta1, beta2), beta1, beta2
    scalars[3] = eps
    run(mailbox, address, parts)


@kernel
def _alone(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    _update(p, m, v, g, _rate(t, learning_rate, beta1, beta2), beta1, beta2, eps)


def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    if p.dtype == np.float32:
        _share(POOL.ready(), _update_part.address, POOL.parts, p, m, v, g, t, learning_rate, beta1, beta2, eps)
    else:
        _alone(p, m, v, g, t, learning_rate, beta1, beta2, eps)
