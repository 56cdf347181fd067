"""Embedding with the multiply, in NumPy.

Forward.  Row b of x is multiplied by the row of the table that its label names:

    (1)  y[b,c] = x[b,c] table[labels[b],c]

Backward.  x[b,c] stands in y[b,c] alone, times its factor of the table:

    (2)  dx[b,c] = dy[b,c] table[labels[b],c]

table[v,c] stands in y[b,c] for every b with labels[b] = v, times x[b,c], and in no other y, so

    (3)  dtable[v,c] = sum over b with labels[b] = v of dy[b,c] x[b,c]

Read from b to v, (3) is a scatter: each row of the batch is added to the row of dtable that its label names,
and two rows with the same label meet there.  Read from v to b, as it is written, it is a gather: each element
of dtable looks for its rows of the batch, and nothing meets.  dtable is dense: a row that no label names gets
zeros, and the optimiser sees them.

By hand, two rows with the same label, 1, and a table of two rows.  Row 1 of dtable is the sum of 1 (1, 2, 3)
and 2 (1, 0, -1):

    >>> x, dy = np.array([[1.0, 2, 3], [1, 0, -1]]), np.array([[1.0, 1, 1], [2, 2, 2]])
    >>> table, labels = np.array([[9.0, 9, 9], [2, 3, 4]]), np.array([1, 1])
    >>> y, dx, dtable = np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 3))
    >>> embedding_forward(y, x, table, labels)
    >>> print(y)
    [[ 2.  6. 12.]
     [ 2.  0. -4.]]
    >>> embedding_backward_input(dx, dy, table, labels)
    >>> print(dx)
    [[2. 3. 4.]
     [4. 6. 8.]]
    >>> embedding_backward_table(dtable, dy, x, labels)
    >>> print(dtable)
    [[0. 0. 0.]
     [3. 2. 1.]]
"""

import numpy as np


def embedding_forward(y, x, table, labels):
    y[...] = x * table[labels]  # (1)


def embedding_backward_input(dx, dy, table, labels):
    dx[...] = dy * table[labels]  # (2)


def embedding_backward_table(dtable, dy, x, labels):
    dtable[...] = 0
    np.add.at(dtable, labels, dy * x)  # (3)
