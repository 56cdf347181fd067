"""Blocks of matrix products on the CPU: what its ops with a product are made of.

A *block* is what one thread computes of a product at a time.  It is cut into *tiles* of ROWS x COLUMNS, each of
which keeps its sums in vector registers (microkernel.py).  A *panel* is COLUMNS columns of the right factor,
copied so that a row of them follows the other, as the tiles of a column of tiles read them one after the other.

A matrix is a tuple here: a flat array, where in it the first element is, and how many lie from one row to the
next.  The sums of a block do not depend on who computes it, nor on what else is computed.
"""

import math
from functools import cache

import numpy as np
from numba import carray

from ..adam.cpu import adam_update
from ..compile import device, function
from .microkernel import (
    COLUMNS,
    ROWS,
    SIDE,
    lower_tile,
    lower_updating_tiles,
    matrix,
    on_stack,
    packing_lower_tile,
    packing_tile,
    tile,
    transpose_square,
    updating_tiles,
)

_PANELS = 4096  # numbers: half of the smallest L1 cache there is (32 KB)
_DEEPEST = _PANELS // COLUMNS
_ALIGNMENT = 64  # bytes: a vector that lies across two cache lines is loaded twice

_room_for_panels, _room_for_a_tile = on_stack(_PANELS), on_stack(ROWS * COLUMNS)
_room_for_rows, _room_for_a_row = on_stack(ROWS * _DEEPEST), on_stack(COLUMNS)


@device
def _slice(depth):
    """How much of the depth is multiplied at a time, so that a panel fits the L1 cache."""
    steps = (depth + _DEEPEST - 1) // _DEEPEST
    return (depth + steps - 1) // steps


@device
def width(depth):
    """Columns of a block that is as wide as its panels have room for: COLUMNS or more."""
    return _PANELS // _slice(depth) // COLUMNS * COLUMNS


@device
def _no_row(like):
    """A row of a tile, of zeros."""
    row = carray(_room_for_a_row(like), (COLUMNS,))
    for n in range(COLUMNS):
        row[n] = 0
    return row


@device
def at(x, i, j):
    """The matrix from row i and column j on."""
    return matrix(x[0], x[1] + i * x[2] + j, x[2])


@function
def product(out, left, right, start, rows, columns, depth):
    """out(rows, columns) = left(rows, depth) right(depth, columns) + start, which may be ``out`` itself.

    The first tile of a column of tiles copies what it reads of ``right`` into a panel for those below.  The
    last asks for what the next panel is made of: below, or to the right of the block.  Where the whole depth is
    more than a panel holds, the sums so far wait in ``out``.

    Parameters
    ----------
    columns : at most ``width(depth)``.
    """
    room, deep = carray(_room_for_panels(right[0]), (_PANELS,)), _slice(depth)
    padded = matrix(carray(_room_for_rows(left[0]), (ROWS * _DEEPEST,)), 0, deep)
    aside = matrix(carray(_room_for_a_tile(out[0]), (ROWS * COLUMNS,)), 0, COLUMNS)
    tiles, begun = (rows + ROWS - 1) // ROWS, start
    for d in range(0, depth, deep):
        last = min(deep, depth - d)
        for t in range(tiles):
            i, end = rows * t // tiles, rows * (t + 1) // tiles
            high, by = end - i, at(left, i, d)
            if high < ROWS - 1:
                _copy(padded, by, high, last)
                by = padded
            for j in range(0, columns, COLUMNS):
                wide, factor = min(COLUMNS, columns - j), at(right, d, j)
                panel = matrix(room, j * last, COLUMNS)
                partial = wide < COLUMNS or high < ROWS - 1
                to, first, ahead = at(out, i, j), at(begun, i, j), matrix(room, 0, 0)
                if t == tiles - 1:
                    ahead = at(right, d + deep, j) if d + deep < depth else at(right, 0, columns + j)
                if partial:
                    _copy(aside, first, high, wide)
                    to, first = aside, aside
                if t == 0 and wide < COLUMNS:
                    _copy(panel, factor, last, wide)
                if t > 0 or wide < COLUMNS:
                    if high == ROWS - 1:
                        lower_tile(to, by, panel, first, ahead, panel, last)
                    else:
                        tile(to, by, panel, first, ahead, panel, last)
                elif high == ROWS - 1:
                    packing_lower_tile(to, by, factor, first, ahead, panel, last)
                else:
                    packing_tile(to, by, factor, first, ahead, panel, last)
                if partial:
                    _copy(at(out, i, j), aside, high, wide)
        begun = out


@function
def multiply_panel(out, left, panel, rows, columns, depth, ahead, ahead_too):
    """out(rows, columns) = left(rows, depth) times a panel, which has all of its COLUMNS.

    The panel comes from the L2 cache for each tile: it is one stream, and the sums stay in registers.

    Parameters
    ----------
    columns : those of the panel that are wanted.
    ahead, ahead_too : matrices that will be needed next.  In turns tiles bring stretches of them into L2.
    """
    zeros = matrix(_no_row(out[0]), 0, 0)
    padded = matrix(carray(_room_for_rows(left[0]), (ROWS * _DEEPEST,)), 0, _DEEPEST)
    aside = matrix(carray(_room_for_a_tile(out[0]), (ROWS * COLUMNS,)), 0, COLUMNS)
    tiles = (rows + ROWS - 1) // ROWS
    for t in range(tiles):
        i, end = rows * t // tiles, rows * (t + 1) // tiles
        high, to, by = end - i, at(out, i, 0), at(left, i, 0)
        array, first, _ = ahead if t % 2 == 0 else ahead_too
        soon = matrix(array, first + t // 2 * depth * COLUMNS, COLUMNS)
        if columns == COLUMNS and high == ROWS:
            tile(to, by, panel, zeros, soon, panel, depth)
        elif columns == COLUMNS and high == ROWS - 1:
            lower_tile(to, by, panel, zeros, soon, panel, depth)
        else:
            _copy(aside, zeros, ROWS, COLUMNS)
            for d in range(0, depth, _DEEPEST):
                last = min(_DEEPEST, depth - d)
                _copy(padded, at(by, 0, d), high, last)
                tile(aside, padded, at(panel, d, 0), aside, soon, panel, last)
            _copy(to, aside, high, columns)


@function
def update(weight, place, left, panels, scalars, rows, columns, depth):
    """Rows of a weight by Adam, each tile as soon as its gradient is made: left(rows, depth) times panels.

    Parameters
    ----------
    weight : flat w, m and v; the rows begin at ``place``.
    left : has ROWS more rows than are asked for.
    panels : (columns / COLUMNS, depth, COLUMNS), flat, of which the last one is whole too.
    """
    (w, m, v), row = weight, columns
    aside = matrix(carray(_room_for_a_tile(w), (ROWS * COLUMNS,)), 0, COLUMNS)
    zeros = matrix(_no_row(w), 0, 0)
    tiles, whole = (rows + ROWS - 1) // ROWS, columns // COLUMNS
    for t in range(tiles):
        i, end = rows * t // tiles, rows * (t + 1) // tiles
        high, here, by, done = end - i, place + i * row, at(left, i, 0), 0
        if high == ROWS:
            updating_tiles(w, m, v, here, row, by, panels, whole, scalars, depth)
            done = whole
        elif high == ROWS - 1:
            lower_updating_tiles(w, m, v, here, row, by, panels, whole, scalars, depth)
            done = whole
        for j in range(done * COLUMNS, columns, COLUMNS):
            panel = matrix(panels, j * depth, COLUMNS)
            tile(aside, by, panel, zeros, panel, panel, depth)
            for n in range(high):
                first = here + n * row + j
                last = first + min(COLUMNS, columns - j)
                adam_update(w[first:last], m[first:last], v[first:last], aside[0][n * COLUMNS :], scalars)


@device
def _copy(out, x, rows, columns):
    for i in range(rows):
        to, of = out[0][out[1] + i * out[2] :], x[0][x[1] + i * x[2] :]
        for n in range(columns):
            to[n] = of[n]


@function
def transpose(out, x, rows, columns):
    """Rows and columns are those of x.  By squares in registers, and what is left at the ends one by one."""
    high, wide = rows // SIDE * SIDE, columns // SIDE * SIDE
    (to, to_at, to_row), (of, of_at, of_row) = out, x
    for n in range(0, wide, SIDE):
        for m in range(0, high, SIDE):
            transpose_square(to[to_at + n * to_row + m :], to_row, of[of_at + m * of_row + n :], of_row)
    for n in range(columns):
        for m in range(high if n < wide else 0, rows):
            to[to_at + n * to_row + m] = of[of_at + m * of_row + n]


@cache
def scratch(name, shape, dtype):
    """One buffer for each name and shape that occur, of zeros when they first do, aligned to a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % _ALIGNMENT
    return raw[first : first + size].view(dtype).reshape(shape)
