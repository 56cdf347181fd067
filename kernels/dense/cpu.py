"""The dense layer on the CPU: three matrix products, cut into register tiles, and shared among threads.

In float32, which training uses, a product is a job for the pool; in float64, which gradient checks use, one
thread computes it by the same code.
"""

from functools import cache

import numpy as np
from numba import njit

from ..compile import kernel
from ..pool import POOL, WORDS, Part, floats, run
from .microkernel import COLUMNS, ROWS, SIDE, row, tile, transpose_square


@njit(error_model="numpy")
def _product(number, parts, out, left, left_row, left_step, right, start, along, rows, columns, depth):
    """A part of out(rows, columns) = start + left right; left[i, d] is element i left_row + d left_step of it.

    Tiles are taken ``along`` the rows where out is the large matrix, which is written from end to end, and down
    the columns where right is: the block of it that the tiles share stays in cache.
    """
    high, wide = (rows + ROWS - 1) // ROWS, (columns + COLUMNS - 1) // COLUMNS
    tiles = high * wide
    sums, factors = out.ravel(), left.ravel()
    for t in range(tiles * number // parts, tiles * (number + 1) // parts):
        i, j = (t // wide, t % wide) if along else (t % high, t // high)
        i0, j0 = i * ROWS, j * COLUMNS
        if i0 + ROWS <= rows:
            there, mine = sums[i0 * columns :], factors[i0 * left_row :]
            tile(there, mine, left_row, left_step, right, start, columns, j0, depth)
        else:
            for i in range(i0, rows):
                there, mine = sums[i * columns :], factors[i * left_row :]
                row(there, mine, left_row, left_step, right, start, columns, j0, depth)


# Forward --------------------------------------------------------------------------------------------------


@njit(error_model="numpy")
def _forward(number, parts, y, x, w, b):
    rows, depth = x.shape
    _product(number, parts, y, x, depth, 1, w, b, False, rows, y.shape[1], depth)


@Part
def _forward_part(number, parts, words):
    M, N, K = words[4], words[5], words[6]
    y, x = floats(words[0], (M, N)), floats(words[1], (M, K))
    _forward(number, parts, y, x, floats(words[2], (K, N)), floats(words[3], (N,)))


@kernel
def _share_forward(mailbox, address, parts, y, x, w, b):
    words = mailbox[WORDS:]
    words[0], words[1], words[2], words[3] = y.ctypes.data, x.ctypes.data, w.ctypes.data, b.ctypes.data
    words[4], words[5], words[6] = y.shape[0], y.shape[1], x.shape[1]
    run(mailbox, address, parts)


@kernel
def _forward_alone(y, x, w, b):
    _forward(0, 1, y, x, w, b)


def dense_forward(y, x, w, b):
    if y.dtype == np.float32:
        _share_forward(POOL.ready(), _forward_part.address, POOL.parts, y, x, w, b)
    else:
        _forward_alone(y, x, w, b)


# Backward: the input --------------------------------------------------------------------------------------


@njit(error_model="numpy")
def _backward_input(number, parts, dx, dy, w):
    """dx (K,M) = w dy, both transposed: w is read along its rows, and vectors walk the batch."""
    rows, depth = w.shape
    _product(number, parts, dx, w, depth, 1, dy, None, True, rows, dx.shape[1], depth)


@Part
def _backward_input_part(number, parts, words):
    K, M, N = words[3], words[4], words[5]
    _backward_input(number, parts, floats(words[0], (K, M)), floats(words[1], (N, M)), floats(words[2], (K, N)))


@kernel
def _share_backward_input(mailbox, address, parts, dx, dy, w, dx_transposed, dy_transposed):
    _transpose(dy_transposed, dy)
    words = mailbox[WORDS:]
    words[0], words[1], words[2] = dx_transposed.ctypes.data, dy_transposed.ctypes.data, w.ctypes.data
    words[3], words[4], words[5] = dx.shape[1], dx.shape[0], dy.shape[1]
    run(mailbox, address, parts)
    _transpose(dx, dx_transposed)


@kernel
def _backward_input_alone(dx, dy, w, dx_transposed, dy_transposed):
    _transpose(dy_transposed, dy)
    _backward_input(0, 1, dx_transposed, dy_transposed, w)
    _transpose(dx, dx_transposed)


def dense_backward_input(dx, dy, w):
    scratch = _scratch("dx", dx.shape[::-1], dx.dtype), _scratch("dy", dy.shape[::-1], dy.dtype)
    if dx.dtype == np.float32:
        address = _backward_input_part.address
        _share_backward_input(POOL.ready(), address, POOL.parts, dx, dy, w, *scratch)
    else:
        _backward_input_alone(dx, dy, w, *scratch)


@njit(error_model="numpy")
def _transpose(out, x):
    """By squares in registers, and what is left at the ends one by one."""
    rows, columns = x.shape
    there, here = out.ravel(), x.ravel()
    high, wide = rows // SIDE * SIDE, columns // SIDE * SIDE
    for n in range(0, wide, SIDE):
        for m in range(0, high, SIDE):
            transpose_square(there[n * rows + m :], rows, here[m * columns + n :], columns)
    for n in range(columns):
        for m in range(high if n < wide else 0, rows):
            out[n, m] = x[m, n]


@cache
def _scratch(name, shape, dtype):
    """One buffer for each name and shape that occur, made when they first do."""
    return np.empty(shape, dtype)


# Backward: the weights ------------------------------------------------------------------------------------


@njit(error_model="numpy")
def _backward_weight(number, parts, dw, x, dy):
    depth, rows = x.shape
    _product(number, parts, dw, x, 1, rows, dy, None, True, rows, dw.shape[1], depth)


@Part
def _backward_weight_part(number, parts, words):
    K, N, M = words[3], words[4], words[5]
    _backward_weight(
        number, parts, floats(words[0], (K, N)), floats(words[1], (M, K)), floats(words[2], (M, N))
    )


@kernel
def _share_backward_weight(mailbox, address, parts, dw, x, dy):
    words = mailbox[WORDS:]
    words[0], words[1], words[2] = dw.ctypes.data, x.ctypes.data, dy.ctypes.data
    words[3], words[4], words[5] = dw.shape[0], dw.shape[1], x.shape[0]
    run(mailbox, address, parts)


@kernel
def _backward_weight_alone(dw, x, dy):
    _backward_weight(0, 1, dw, x, dy)


def dense_backward_weight(dw, x, dy):
    if dw.dtype == np.float32:
        _share_backward_weight(POOL.ready(), _backward_weight_part.address, POOL.parts, dw, x, dy)
    else:
        _backward_weight_alone(dw, x, dy)


@kernel
def dense_backward_bias(db, dy):
    db[:] = 0
    for m in range(dy.shape[0]):
        for n in range(dy.shape[1]):
            db[n] += dy[m, n]
