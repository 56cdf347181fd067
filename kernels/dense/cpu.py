"""The dense layer on the CPU: three matrix products, cut into register tiles, and shared among threads.

In float32, which training uses, a product is a job for the pool; in float64, which gradient checks use, one
thread computes it by the same code.
"""

from functools import cache

import numpy as np
from numba import carray

from ..compile import device, kernel
from ..pool import POOL, WORDS, Part, floats, run
from .microkernel import (
    COLUMNS,
    ROWS,
    SIDE,
    lower_tile,
    on_stack,
    packing_lower_tile,
    packing_tile,
    tile,
    transpose_square,
)

PANELS = 4096  # numbers: half of the smallest L1 cache there is (32 KB)
_HIGHEST = 96  # rows of a block: so many share a panel, which costs a tenth of one to fill
_LEAST = 32  # the same, so that few enough blocks share a panel
DEEPEST = PANELS // COLUMNS
_LARGE = 1 << 18  # numbers: to transpose so many takes some 50 us

_room_for_panels, _room_for_a_tile = on_stack(PANELS), on_stack(ROWS * COLUMNS)
_room_for_rows = on_stack(ROWS * DEEPEST)


def dense_forward(y, x, w, b):
    _product(y, x, w, b)


def dense_backward_input(dx, dy, w):
    """dy w^T, by the transpose of w or by those of dy and dx, whichever is less work: the same sums."""
    if dx.size + dy.size > w.size:
        _product(dx, dy, transpose_of("w", w), scratch("zeros", dx.shape[1:], dx.dtype))
        return
    transposed = scratch("dx", dx.shape[::-1], dx.dtype)
    _product(transposed, w, transpose_of("dy", dy), scratch("zeros", dx.shape[:1], dx.dtype))
    _transpose(dx, transposed)


def dense_backward_weight(dw, x, dy):
    _product(dw, transpose_of("x", x), dy, scratch("zeros", dw.shape[1:], dw.dtype))


def transpose_of(name, x):
    transposed = scratch(name, x.shape[::-1], x.dtype)
    _transpose(transposed, x)
    return transposed


@kernel
def dense_backward_bias(db, dy):
    db[:] = 0
    for m in range(dy.shape[0]):
        for n in range(dy.shape[1]):
            db[n] += dy[m, n]


def _product(out, left, right, start):
    """out(rows, columns) = left(rows, depth) right(depth, columns), and start (columns,) added to each row."""
    if out.dtype == np.float32:
        _share(POOL.ready(), _blocks_part.address, POOL.parts, out, left, right, start)
    else:
        _alone(out, left, right, start)


@device
def _blocks(number, parts, out, left, right, start, rows, columns, depth):
    """A part of the blocks of a product.

    A block is so deep that a panel fits the L1 cache, and so wide that all of its panels do.  Where the whole
    depth is more than that, the sums so far wait in ``out``.
    """
    steps = (depth + DEEPEST - 1) // DEEPEST
    deep = (depth + steps - 1) // steps
    wide = PANELS // deep // COLUMNS * COLUMNS
    across = (columns + wide - 1) // wide
    high = min(_HIGHEST, max(_LEAST, rows * across // (2 * parts)))
    down = (rows + high - 1) // high
    panels = carray(_room_for_panels(right), (PANELS,))
    for block in range(down * across * number // parts, down * across * (number + 1) // parts):
        b, j0 = block // across, block % across * wide
        i0, i1, j1 = rows * b // down, rows * (b + 1) // down, min(j0 + wide, columns)
        for d0 in range(0, depth, deep):
            mine, below, last = left[d0:], right[d0 * columns :], min(deep, depth - d0)
            block_of_product(
                out, columns, mine, depth, below, columns, start, d0 == 0, panels, i0, i1, j0, j1, last
            )


@device
def block_of_product(
    out, out_row, left, left_row, right, right_row, start, fresh, panels, i0, i1, j0, j1, deep
):
    """Rows i0 to i1, columns j0 to j1 of out: begun from ``start`` (``fresh``), or added to.

    Rows of a matrix are so many elements apart, and ``panels`` has room for what the block reads of ``right``.
    A tile has all of its rows and columns; one that has more than the matrix is made aside.
    """
    tiles = (i1 - i0 + ROWS - 1) // ROWS
    aside = carray(_room_for_a_tile(out), (ROWS * COLUMNS,))
    padded = carray(_room_for_rows(left), (ROWS * DEEPEST,))
    for t in range(tiles):
        i = i0 + (i1 - i0) * t // tiles
        rows = i0 + (i1 - i0) * (t + 1) // tiles - i
        by, by_row = left[i * left_row :], left_row
        if rows < ROWS - 1:
            _copy(padded, deep, by, by_row, rows, deep)
            by, by_row = padded, deep
        for j in range(j0, j1, COLUMNS):
            panel, wide = panels[(j - j0) * deep :], min(COLUMNS, j1 - j)
            to, to_row = out[i * out_row + j :], out_row
            first, first_row = (start[j:], 0) if fresh else (to, to_row)
            partial = wide < COLUMNS or rows < ROWS - 1
            if partial:
                _copy(aside, COLUMNS, first, first_row, rows, wide)
                to, to_row, first, first_row = aside, COLUMNS, aside, COLUMNS
            if t == 0 and wide < COLUMNS:
                _copy(panel, COLUMNS, right[j:], right_row, deep, wide)
            if t == 0 and wide == COLUMNS:
                if rows == ROWS - 1:
                    packing_lower_tile(
                        to, to_row, by, by_row, right[j:], right_row, first, first_row, deep, panel
                    )
                else:
                    packing_tile(to, to_row, by, by_row, right[j:], right_row, first, first_row, deep, panel)
            elif rows == ROWS - 1:
                lower_tile(to, to_row, by, by_row, panel, COLUMNS, first, first_row, deep, panel)
            else:
                tile(to, to_row, by, by_row, panel, COLUMNS, first, first_row, deep, panel)
            if partial:
                _copy(out[i * out_row + j :], out_row, aside, COLUMNS, rows, wide)


@device
def _copy(out, out_row, x, x_row, rows, columns):
    for i in range(rows):
        for n in range(columns):
            out[i * out_row + n] = x[i * x_row + n]


@Part
def _blocks_part(number, parts, words):
    rows, columns, depth = words[4], words[5], words[6]
    out, left = floats(words[0], (rows * columns,)), floats(words[1], (rows * depth,))
    right, start = floats(words[2], (depth * columns,)), floats(words[3], (columns,))
    _blocks(number, parts, out, left, right, start, rows, columns, depth)


@kernel
def _share(mailbox, address, parts, out, left, right, start):
    words = mailbox[WORDS:]
    words[0], words[1], words[2] = out.ctypes.data, left.ctypes.data, right.ctypes.data
    words[3], words[4], words[5], words[6] = start.ctypes.data, out.shape[0], out.shape[1], left.shape[1]
    run(mailbox, address, parts)


@kernel
def _alone(out, left, right, start):
    (rows, columns), depth = out.shape, left.shape[1]
    _blocks(0, 1, out.ravel(), left.ravel(), right.ravel(), start, rows, columns, depth)


def _transpose(out, x):
    """By squares in registers, and what is left at the ends one by one; shared among threads if it is large."""
    if x.dtype == np.float32 and x.size >= _LARGE:
        _share_transpose(POOL.ready(), _transpose_part.address, POOL.parts, out, x)
    else:
        _transpose_alone(out, x)


@device
def columns_to_rows(number, parts, out, x, rows, columns):
    """A part of the columns of x."""
    squares, high = (columns + SIDE - 1) // SIDE, rows // SIDE * SIDE
    for square in range(squares * number // parts, squares * (number + 1) // parts):
        n0 = square * SIDE
        whole = n0 + SIDE <= columns
        for m in range(0, high if whole else 0, SIDE):
            transpose_square(out[n0 * rows + m :], rows, x[m * columns + n0 :], columns)
        for n in range(n0, min(n0 + SIDE, columns)):
            for m in range(high if whole else 0, rows):
                out[n * rows + m] = x[m * columns + n]


@Part
def _transpose_part(number, parts, words):
    rows, columns = words[2], words[3]
    out, x = floats(words[0], (rows * columns,)), floats(words[1], (rows * columns,))
    columns_to_rows(number, parts, out, x, rows, columns)


@kernel
def _share_transpose(mailbox, address, parts, out, x):
    words = mailbox[WORDS:]
    words[0], words[1], words[2], words[3] = out.ctypes.data, x.ctypes.data, x.shape[0], x.shape[1]
    run(mailbox, address, parts)


@kernel
def _transpose_alone(out, x):
    columns_to_rows(0, 1, out.ravel(), x.ravel(), x.shape[0], x.shape[1])


@cache
def scratch(name, shape, dtype):
    """One buffer for each name and shape that occur, of zeros when they first do."""
    return np.zeros(shape, dtype)
