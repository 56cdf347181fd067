"""The dense layer on the CPU: three matrix products, shared among threads by blocks."""

from numba import carray

from ..compile import device, kernel
from ..pool import POOL, share
from .blocks import product, scratch, transpose, width
from .microkernel import SIDE, matrix, on_stack

#: Rows of a block, which fills panels of its own.  More rows use a panel more often, fewer make more blocks to
#: share out: as many blocks as all parts need, but none higher than the one or lower than the other.
_HIGHEST, _LEAST = 96, 32

_SUMS = 64  # of a dot product, side by side: each waits for itself, not for the others
_room_for_sums = on_stack(_SUMS)


def dense_forward(y, x, w, b):
    if w.shape[1] == 1:
        _one_column(y, x, w, b)
    else:
        _share_product(POOL.ready(), POOL.parts, y, x, w, b)


def dense_backward_input(dx, dy, w):
    """dy w^T, by the transpose of w or by those of dy and dx, whichever is less work: the same sums."""
    if dx.size + dy.size > w.size:
        _product(dx, dy, transposed("w", w))
        return
    across = scratch("dx", dx.shape[::-1], dx.dtype)
    _product(across, w, transposed("dy", dy))
    _transpose(dx, across)


def dense_backward_weight(dw, x, dy):
    if dw.shape[1] == 1:
        _one_column_of_weights(dw, x, dy)
    else:
        _product(dw, transposed("x", x), dy)


def _product(out, left, right):
    zeros = scratch("zeros", right.shape[1:], right.dtype)
    _share_product(POOL.ready(), POOL.parts, out, left, right, zeros)


def transposed(name, x):
    """The transpose of x in a buffer of that name."""
    across = scratch(name, x.shape[::-1], x.dtype)
    _transpose(across, x)
    return across


@kernel
def _one_column(y, x, w, b):
    """A tile has many columns; for one, its lanes are given to the depth."""
    sums = carray(_room_for_sums(x), (_SUMS,))
    whole = len(w) // _SUMS * _SUMS
    for m in range(len(x)):
        for n in range(_SUMS):
            sums[n] = 0
        for k in range(0, whole, _SUMS):
            for n in range(_SUMS):
                sums[n] += x[m, k + n] * w[k + n, 0]
        total = b[0]
        for n in range(_SUMS):
            total += sums[n]
        for k in range(whole, len(w)):
            total += x[m, k] * w[k, 0]
        y[m, 0] = total


@kernel
def _one_column_of_weights(dw, x, dy):
    dw[:] = 0
    for m in range(len(x)):
        for k in range(len(dw)):
            dw[k, 0] += x[m, k] * dy[m, 0]


@kernel
def dense_backward_bias(db, dy):
    sum_rows(db, dy)


@device
def sum_rows(out, x):
    out[:] = 0
    for m in range(x.shape[0]):
        for n in range(x.shape[1]):
            out[n] += x[m, n]


@kernel
def _share_product(mailbox, parts, out, left, right, start):
    """out(rows, columns) = left(rows, depth) right(depth, columns), and start (columns,) added to each row."""
    share(mailbox, parts, _blocks, (out, left, right, start))


@device
def _blocks(number, parts, out, left, right, start):
    """A part of the blocks of a product.  A block is so wide that all of its panels fit the L1 cache."""
    (rows, columns), depth = out.shape, left.shape[1]
    out, left, right = out.ravel(), left.ravel(), right.ravel()
    wide = width(depth)
    across = (columns + wide - 1) // wide
    high = min(_HIGHEST, max(_LEAST, rows * across // (2 * parts)))
    down = (rows + high - 1) // high
    for block in range(down * across * number // parts, down * across * (number + 1) // parts):
        b, j = block // across, block % across * wide
        i, end = rows * b // down, rows * (b + 1) // down
        to, start_here = matrix(out, i * columns + j, columns), matrix(start, j, 0)
        factors = matrix(left, i * depth, depth), matrix(right, j, columns)
        product(to, factors[0], factors[1], start_here, end - i, min(wide, columns - j), depth)


def _transpose(out, x):
    _share_transpose(POOL.ready(), POOL.parts_of(x.size), out, x)


@kernel
def _share_transpose(mailbox, parts, out, x):
    share(mailbox, parts, _columns_to_rows, (out, x))


@device
def _columns_to_rows(number, parts, out, x):
    """A part of the columns of x."""
    rows, columns = x.shape
    squares = (columns + SIDE - 1) // SIDE
    n, end = squares * number // parts * SIDE, min(columns, squares * (number + 1) // parts * SIDE)
    transpose(matrix(out.ravel(), n * rows, rows), matrix(x.ravel(), n, columns), rows, end - n)
