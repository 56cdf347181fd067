"""Adam on the CPU: one pass over memory, shared among threads."""

import math

from ..compile import device, kernel
from ..pool import POOL, share

_LINE = 16  # float32 in a cache line: no two threads write to one


def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    _share_step(POOL.ready(), POOL.parts, p, m, v, g, t, learning_rate, beta1, beta2, eps)


@kernel
def _share_step(mailbox, parts, p, m, v, g, t, learning_rate, beta1, beta2, eps):
    scalars = adam_scalars(p, t[0], learning_rate, beta1, beta2, eps)
    share(mailbox, parts, _stretch, (p, m, v, g, scalars))


@device
def adam_scalars(p, step, learning_rate, beta1, beta2, eps):
    """What :func:`adam_update` takes: formed in double, then rounded to p's type.

    The rate is that of reference.py (3), or NaN for an update before the first.
    """
    real, t = p.dtype.type, float(step)
    rate = learning_rate * math.sqrt(1 - beta2**t) / (1 - beta1**t) if step else math.nan
    return real(rate), real(beta1), real(beta2), real(1 - beta1), real(1 - beta2), real(eps)


@device
def adam_update(p, m, v, g, scalars):
    rate, b1, b2, c1, c2, e = scalars
    for i in range(p.size):
        gi = g[i]
        mi = b1 * m[i] + c1 * gi
        vi = b2 * v[i] + c2 * gi * gi
        m[i] = mi
        v[i] = vi
        p[i] -= rate * mi / (math.sqrt(vi) + e)


@device
def _stretch(number, parts, p, m, v, g, scalars):
    lines = (p.size + _LINE - 1) // _LINE
    first, last = lines * number // parts * _LINE, lines * (number + 1) // parts * _LINE
    adam_update(p[first:last], m[first:last], v[first:last], g[first:last], scalars)
