"""Adam on the CPU: one pass over memory."""

import math

from ..compile import kernel


@kernel
def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    real = p.dtype.type
    rate = real(learning_rate * math.sqrt(1.0 - beta2 ** t[0]) / (1.0 - beta1 ** t[0]))  # reference.py (3)
    b1, b2, c1, c2, e = real(beta1), real(beta2), real(1.0 - beta1), real(1.0 - beta2), real(eps)
    for i in range(p.size):
        gi = g[i]
        mi = b1 * m[i] + c1 * gi
        vi = b2 * v[i] + c2 * gi * gi
        m[i] = mi
        v[i] = vi
        p[i] -= rate * mi / (math.sqrt(vi) + e)
