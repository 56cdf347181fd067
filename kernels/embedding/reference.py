"""Embedding with the multiply, in NumPy.

    (1)  y[b,c] = x[b,c] table[labels[b],c]
    (2)  dx[b,c] = dy[b,c] table[labels[b],c]
    (3)  dtable[v,c] = sum over b with labels[b] = v of dy[b,c] x[b,c]

(3) is dense: a row that no label names gets a gradient of zero, and the optimiser sees it.
"""

import numpy as np


def embedding_forward(y, x, table, labels):
    y[...] = x * table[labels]  # (1)


def embedding_backward_input(dx, dy, table, labels):
    dx[...] = dy * table[labels]  # (2)


def embedding_backward_table(dtable, dy, x, labels):
    dtable[...] = 0
    np.add.at(dtable, labels, dy * x)  # (3)
