"""The dense layer in NumPy.

Forward.  Each output is a sum over the K inputs of its row:

    (1)  y[m,n] = sum_k x[m,k] w[k,n] + b[n]

Backward.  The loss L is a function of y, and dy[m,n] = dL/dy[m,n] arrives.  What y is made of moves L by way of
every y that it stands in, so for any p of it, by the chain rule,

    dL/dp = sum over all i, j of  dy[i,j] * (derivative of y[i,j] by p)

In (1), x[m,k] stands in the N outputs of row m, beside w[k,n], and in no other row.  The derivative of y[i,j]
by x[m,k] is w[k,j] for i = m and 0 for all other i; what is left of the sum is

    (2)  dx[m,k] = sum_n dy[m,n] w[k,n]

w[k,n] stands in the M outputs of column n, beside x[m,k], and in no other column.  The derivative of y[i,j] by
w[k,n] is x[i,k] for j = n and 0 for all other j:

    (3)  dw[k,n] = sum_m x[m,k] dy[m,n]

b[n] stands in the same M outputs, beside nothing:

    (4)  db[n] = sum_m dy[m,n]

In (2) the index that is summed over is the last of w, in (3) the first of x.  A product sums over the first
index of its right factor and the last of its left one, so dx = dy w^T and dw = x^T dy.

By hand, two rows of two inputs and three outputs:

    >>> import numpy as np
    >>> x, w, b = np.array([[1, 2], [0, -1]]), np.array([[1, 0, 2], [3, -1, 1]]), np.array([5, 0, -1])
    >>> y, dy = np.empty((2, 3)), np.array([[1, 0, -1], [2, 1, 0]])
    >>> dense_forward(y, x, w, b)
    >>> print(y[0])  # 1 * 1 + 2 * 3 + 5,   1 * 0 + 2 * -1 + 0,   1 * 2 + 2 * 1 - 1
    [12. -2.  3.]
    >>> dx, dw, db = np.empty((2, 2)), np.empty((2, 3)), np.empty(3)
    >>> dense_backward_input(dx, dy, w)
    >>> print(dx[0])  # 1 * 1 + 0 * 0 - 1 * 2,   1 * 3 + 0 * -1 - 1 * 1
    [-1.  2.]
    >>> dense_backward_weight(dw, x, dy)
    >>> print(dw[1])  # of the second input, 2 and -1:   2 * 1 - 1 * 2,   2 * 0 - 1 * 1,   2 * -1 - 1 * 0
    [ 0. -1. -2.]
    >>> dense_backward_bias(db, dy)
    >>> print(db)
    [ 3.  1. -1.]
"""


def dense_forward(y, x, w, b):
    y[...] = x @ w + b  # (1)


def dense_backward_input(dx, dy, w):
    dx[...] = dy @ w.T  # (2)


def dense_backward_weight(dw, x, dy):
    dw[...] = x.T @ dy  # (3)


def dense_backward_bias(db, dy):
    db[...] = dy.sum(axis=0)  # (4)
