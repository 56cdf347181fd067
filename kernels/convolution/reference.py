"""Convolution in NumPy (Dumoulin & Visin 2016, arXiv:1603.07285, has pictures of strides and padding).

With stride t and padding d, r and s count the rows and columns of the kernel, its taps; x is zero outside the
image:

    (1)  y[b,p,q,n] = sum_{r,s,c} x[b, t p - d + r, t q - d + s, c] w[r,s,c,n]

The derivatives follow by reading off which products a factor stands in.  w[r,s,c,n] stands in those of every p
and q:

    (2)  dw[r,s,c,n] = sum_{b,p,q} x[b, t p - d + r, t q - d + s, c] dy[b,p,q,n]

x[b,i,j,c] stands in those where t p - d + r = i and t q - d + s = j: each tap meets it in one p and q at most,
p = (i + d - r) / t and q = (j + d - s) / t, provided that these are whole and belong to y.  With dy zero
outside,

    (3)  dx[b,i,j,c] = sum_{r,s,n} dy[b, (i + d - r) / t, (j + d - s) / t, n] w[r,s,c,n]
         over the r and s for which both quotients are whole

which gathers, as (1) does: nothing is scattered, so nothing needs atomics.  The taps of a row i are every t-th
one, from r0 = (i + d) mod t on.  Let i = t u + f, so that f is its phase, and r = r0 + t k.  Then (i + d - r) /
t = u + (f + d - r0) / t - k, and r0 is the remainder of f + d, hence

    (4)  (i + d - r) / t = u + floor((f + d) / t) - k     for i = t u + f and r = (f + d) mod t + t k

So for the pixels of one phase (3) is (1) with a stride of one over an image dy, the taps taken backwards; the
t^2 phases of rows and columns are as many products, none of which multiplies by a zero between two elements of
dy.

As matrices, with rows (b,p,q) or (b,u,v) and K = (r,s,c) or (k,l,n), all three are

    (5)  out[i,j] = sum_k left[i,k] right[k,j]

in which left is gathered from an image (in (2), where rows are (r,s,c) and K is (b,p,q), with its transpose),
and right lies in memory as it is.  A transposed convolution is (3) taken forward: its own gradients are (1) and
(2), with x and dy in each other's place.  A bias is added to what any of them has made, row by row:

    (6)  y[m,n] = y[m,n] + b[n]

and its gradient is the column sum of dense/reference.py.

By hand, an image of 2 x 2, a kernel of 2 x 2, stride 1 and padding 1, hence a result of 3 x 3:

    >>> x, w = np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1), np.array([[1.0, 10], [100, 1000]])
    >>> w, y = w.reshape(2, 2, 1, 1), np.empty((1, 3, 3, 1))
    >>> convolution_forward(y, x, w, 1, 1)
    >>> print(y[0, :, :, 0].astype(int))
    [[1000 2100  200]
     [3010 4321  402]
     [  30   43    4]]

The corner y[0,0] sees x[0,0] through w[1,1] alone, the middle all four pixels.  Let dy be 1 in the middle and 0
elsewhere: then dx is the kernel, for each pixel was seen through one tap, and dw is the image.

    >>> dy, dx, dw = np.zeros((1, 3, 3, 1)), np.empty((1, 2, 2, 1)), np.empty((2, 2, 1, 1))
    >>> dy[0, 1, 1] = 1
    >>> convolution_backward_input(dx, dy, w, 1, 1)
    >>> convolution_backward_weight(dw, x, dy, 1, 1)
    >>> print(dx[0, :, :, 0], dw[:, :, 0, 0])
    [[   1.   10.]
     [ 100. 1000.]] [[1. 2.]
     [3. 4.]]

With stride 2 and no padding a kernel of 2 x 2 covers each pixel once: a transposed convolution puts a multiple
of the kernel in each place.

    >>> dy, dx = np.array([[1.0, 2]]).reshape(1, 1, 2, 1), np.empty((1, 2, 4, 1))
    >>> convolution_backward_input(dx, dy, w, 2, 0)
    >>> print(dx[0, :, :, 0].astype(int))
    [[   1   10    2   20]
     [ 100 1000  200 2000]]
"""

import numpy as np


def convolution_forward(y, x, w, stride, padding):
    seen = _framed(x, y.shape, len(w), stride, padding)
    y[...] = 0
    for r, s in np.ndindex(w.shape[:2]):
        y += _met_by(seen, r, s, y.shape, stride) @ w[r, s]  # (1)


def convolution_backward_weight(dw, x, dy, stride, padding):
    seen = _framed(x, dy.shape, len(dw), stride, padding)
    for r, s in np.ndindex(dw.shape[:2]):
        dw[r, s] = np.tensordot(_met_by(seen, r, s, dy.shape, stride), dy, axes=([0, 1, 2], [0, 1, 2]))  # (2)


def convolution_backward_input(dx, dy, w, stride, padding):
    framed = _framed(np.zeros_like(dx), dy.shape, len(w), stride, padding)
    for r, s in np.ndindex(w.shape[:2]):
        _met_by(framed, r, s, dy.shape, stride)[...] += dy @ w[r, s].T  # (3), the terms of one tap
    dx[...] = 0
    inside = framed[:, padding : padding + dx.shape[1], padding : padding + dx.shape[2]]
    dx[:, : inside.shape[1], : inside.shape[2]] = inside


def bias_add(y, b):
    y += b  # (6)


def _framed(x, shape, taps, stride, padding):
    """All that the taps of a result of this shape meet, (B, rows, columns, C): x, and zeros around it."""
    rows, columns = ((size - 1) * stride + taps for size in shape[1:3])
    framed = np.zeros((len(x), rows, columns, x.shape[3]), x.dtype)
    inside = x[:, : max(rows - padding, 0), : max(columns - padding, 0)]
    framed[:, padding : padding + inside.shape[1], padding : padding + inside.shape[2]] = inside
    return framed


def _met_by(framed, r, s, shape, stride):
    """What the tap (r, s) meets in each place, (B, P, Q, C), as a view."""
    rows, columns = (
        slice(tap, tap + (size - 1) * stride + 1, stride) for tap, size in ((r, shape[1]), (s, shape[2]))
    )
    return framed[:, rows, columns]
