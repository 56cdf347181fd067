"""Adam in NumPy (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1 in the form at the end of section 2).

For each parameter p with its gradient g:

    (1)  m = beta1 m + (1 - beta1) g
    (2)  v = beta2 v + (1 - beta2) g^2
    (3)  p = p - rate m / (sqrt(v) + eps),    rate = learning_rate sqrt(1 - beta2^t) / (1 - beta1^t)

t counts from 1.  m and v are running means of g and g^2 that start at 0, so they are too small at first: with
the same g in every step, (1) gives

    m after step t = (1 - beta1) (1 + beta1 + ... + beta1^(t-1)) g = (1 - beta1^t) g

and (2) likewise v = (1 - beta2^t) g^2.  Algorithm 1 therefore divides them by these factors:

    p = p - learning_rate mhat / (sqrt(vhat) + eps'),    mhat = m / (1 - beta1^t),    vhat = v / (1 - beta2^t)

With numerator and denominator multiplied by sqrt(1 - beta2^t) this is

    p = p - learning_rate sqrt(1 - beta2^t) / (1 - beta1^t)  m / (sqrt(v) + eps' sqrt(1 - beta2^t))

which is (3) once the last product is called eps: the paper's "epsilon hat", here a constant, as in Keras.  It
is compared with the uncorrected sqrt(v).

By hand, two parameters at 1, with beta1 = 1/2, beta2 = 3/4, learning_rate = 0.1 and eps = 0.  In the first step
g = 2 and -4, so m = 1 and -2, v = 1 and 4, rate = 0.1 sqrt(1/4) / (1/2) = 0.1, and p moves by -0.1 1/1 and by
-0.1 (-2)/2: by the learning rate, whatever the size of the gradient.

    >>> p, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    >>> adam_step(p, m, v, np.array([2.0, -4.0]), np.array([1]), 0.1, 0.5, 0.75, 0)
    >>> print(m, v, p)
    [ 1. -2.] [1. 4.] [0.9 1.1]

In the second step the first gradient is the same again, so mhat = 2, vhat = 4, and p moves by -0.1 once more.
The second gradient is 0: m and v still decay, to -1 and 3, and p still moves, by 0.1 sqrt(7/16) / (3/4) times
1/sqrt(3).

    >>> adam_step(p, m, v, np.array([2.0, 0.0]), np.array([2]), 0.1, 0.5, 0.75, 0)
    >>> print(m, v, p.round(4))
    [ 1.5 -1. ] [1.75 3.  ] [0.8    1.1509]
"""

import numpy as np


def adam_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    m[...] = beta1 * m + (1 - beta1) * g  # (1)
    v[...] = beta2 * v + (1 - beta2) * g * g  # (2)
    rate = learning_rate * np.sqrt(1 - beta2 ** float(t[0])) / (1 - beta1 ** float(t[0]))
    p[...] -= rate * m / (np.sqrt(v) + eps)  # (3)
