"""The dense layer on the CPU: three matrix products, cut into register tiles, and shared among threads.

In float32, which training uses, a product is a job for the pool; in float64, which gradient checks use, one
thread computes it by the same code.
"""

from functools import cache

import numpy as np

from ..compile import device, kernel
from ..pool import POOL, WORDS, Part, floats, run
from .microkernel import COLUMNS, ROWS, SIDE, row, tile, transpose_square


def dense_forward(y, x, w, b):
    (rows, depth), columns = x.shape, w.shape[1]
    _product(y, x, depth, 1, w, b, False, rows, columns, depth)


def dense_backward_input(dx, dy, w):
    """By way of the transposes, w dy^T: w is read along its rows, and vectors walk the batch."""
    (rows, depth), columns = w.shape, dy.shape[0]
    dx_transposed = _scratch("dx", (rows, columns), dx.dtype)
    dy_transposed = _scratch("dy", (depth, columns), dy.dtype)
    _transpose(dy_transposed, dy)
    zeros = _scratch("zeros", (columns,), dx.dtype)
    _product(dx_transposed, w, depth, 1, dy_transposed, zeros, True, rows, columns, depth)
    _transpose(dx, dx_transposed)


def dense_backward_weight(dw, x, dy):
    (depth, rows), columns = x.shape, dy.shape[1]
    _product(dw, x, 1, rows, dy, _scratch("zeros", (columns,), dw.dtype), True, rows, columns, depth)


@kernel
def dense_backward_bias(db, dy):
    db[:] = 0
    for m in range(dy.shape[0]):
        for n in range(dy.shape[1]):
            db[n] += dy[m, n]


def _product(out, left, left_row, left_step, right, start, along, rows, columns, depth):
    """out(rows, columns) = start + left right.

    Parameters
    ----------
    left_row, left_step : element (i, d) of the left factor is element i left_row + d left_step of ``left``.
    start : (columns,), what is added to each row.
    along : tiles are taken along the rows, so that out is written from end to end, or down the columns, so that
        the block of right that they share stays in cache: whichever of the two is the large matrix.
    """
    values = (out, left, left_row, left_step, right, start, along, rows, columns, depth)
    if out.dtype == np.float32:
        _share(POOL.ready(), _tiles_part.address, POOL.parts, *values)
    else:
        _alone(*values)


@device
def _tiles(number, parts, out, left, left_row, left_step, right, start, along, rows, columns, depth):
    """A part of the tiles of a product."""
    high, wide = (rows + ROWS - 1) // ROWS, (columns + COLUMNS - 1) // COLUMNS
    tiles = high * wide
    for t in range(tiles * number // parts, tiles * (number + 1) // parts):
        i, j = (t // wide, t % wide) if along else (t % high, t // high)
        i0, j0 = i * ROWS, j * COLUMNS
        if i0 + ROWS <= rows:
            there, mine = out[i0 * columns :], left[i0 * left_row :]
            tile(there, mine, left_row, left_step, right, start, columns, j0, depth)
        else:
            for i in range(i0, rows):
                there, mine = out[i * columns :], left[i * left_row :]
                row(there, mine, left_row, left_step, right, start, columns, j0, depth)


@Part
def _tiles_part(number, parts, words):
    left_row, left_step, along = words[4], words[5], words[6]
    rows, columns, depth = words[7], words[8], words[9]
    out, left = floats(words[0], (rows * columns,)), floats(words[1], (rows * depth,))
    right, start = floats(words[2], (depth * columns,)), floats(words[3], (columns,))
    _tiles(number, parts, out, left, left_row, left_step, right, start, along != 0, rows, columns, depth)


@kernel
def _share(mailbox, address, parts, out, left, left_row, left_step, right, start, along, rows, columns, depth):
    words = mailbox[WORDS:]
    words[0], words[1], words[2] = out.ctypes.data, left.ctypes.data, right.ctypes.data
    words[3], words[4], words[5], words[6] = start.ctypes.data, left_row, left_step, along
    words[7], words[8], words[9] = rows, columns, depth
    run(mailbox, address, parts)


@kernel
def _alone(out, left, left_row, left_step, right, start, along, rows, columns, depth):
    sums, factors = out.ravel(), left.ravel()
    _tiles(0, 1, sums, factors, left_row, left_step, right.ravel(), start, along, rows, columns, depth)


@kernel
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
    """One buffer for each name and shape that occur, of zeros when they first do."""
    return np.zeros(shape, dtype)
