"""Adam in NumPy (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1 in the form at the end of section 2).

    (1)  m = beta1 m + (1 - beta1) g
    (2)  v = beta2 v + (1 - beta2) g^2
    (3)  p = p - rate m / (sqrt(v) + eps),    rate = learning_rate sqrt(1 - beta2^t) / (1 - beta1^t)

t counts from 1.  Both bias corrections are moved into the rate, so eps here is the paper's "epsilon hat": it is
compared with the uncorrected sqrt(v), which is what Keras does too.  An element whose gradient is zero still
decays in m and v and still moves while m is not zero.
"""

import numpy as np


def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    m[...] = beta1 * m + (1 - beta1) * g  # (1)
    v[...] = beta2 * v + (1 - beta2) * g * g  # (2)
    rate = learning_rate * np.sqrt(1 - beta2 ** float(t[0])) / (1 - beta1 ** float(t[0]))
    p[...] -= rate * m / (np.sqrt(v) + eps)  # (3)
