"""The dense layer in NumPy.

    (1)  y[m,n] = sum_k x[m,k] w[k,n] + b[n]
    (2)  dx[m,k] = sum_n dy[m,n] w[k,n]
    (3)  dw[k,n] = sum_m x[m,k] dy[m,n]
    (4)  db[n] = sum_m dy[m,n]

Each of (2) to (4) reads off how often its left-hand side's partner stands in (1): dx is a product with the
transpose of w, dw a product with the transpose of x.
"""


def dense_forward(y, x, w, b):
    y[...] = x @ w + b  # (1)


def dense_backward_input(dx, dy, w):
    dx[...] = dy @ w.T  # (2)


def dense_backward_weight(dw, x, dy):
    dw[...] = x.T @ dy  # (3)


def dense_backward_bias(db, dy):
    db[...] = dy.sum(axis=0)  # (4)
