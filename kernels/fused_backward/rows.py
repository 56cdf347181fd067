"""A block of rows of a weight, going backward on the CPU: the gradient at the input, and the update.

By dx = dy w^T, rows of w are columns of dx; by dw = x^T dy, they are rows of dw.  Whoever has a block of rows
needs all of dy for it, twice: dy^T as the right factor of w dy^T, which is dx^T, and dy as that of x^T dy.
Both are packed into panels (dense/blocks.py says what these are) once, before the blocks are shared.
"""

from ..adam.cpu import adam_update
from ..compile import device, function
from ..dense.blocks import at, multiply_panel, scratch, transpose, update
from ..dense.cpu import sum_rows
from ..dense.microkernel import COLUMNS, ROWS, matrix

HIGH = 32  #: rows of w in a block: with m and v 400 KB at the widest, which an L2 cache holds


def buffers_for(x, dy):
    """Room for the transposes of x and dx, and dy and its transpose as panels.

    The last panels are filled up with zeros.  x^T has a tile's rows more: a tile at the end reads them, and
    what it makes of them is dropped.
    """
    (rows, depth), columns, real = x.shape, dy.shape[1], x.dtype
    panels, panels_t = -(-columns // COLUMNS), -(-rows // COLUMNS)
    return (
        scratch("x rows", (depth + ROWS, rows), real),
        scratch("dx", (depth, rows), real),
        scratch("dy panels", (panels, rows, COLUMNS), real),
        scratch("dy^T panels", (panels_t, columns, COLUMNS), real),
    )


@device
def blocks_of_rows(w, number, parts):
    """Where the blocks of rows of a part begin."""
    blocks = (len(w) + HIGH - 1) // HIGH
    return range(blocks * number // parts * HIGH, blocks * (number + 1) // parts * HIGH, HIGH)


@function
def pack_arriving(dy, buffers):
    """dy and its transpose as panels, which all parts read."""
    (rows, columns), (_, _, panels, panels_t) = dy.shape, buffers
    for m in range(rows):
        row = dy[m]
        for j in range(columns // COLUMNS):
            of, to = row[j * COLUMNS :], panels[j, m]
            for n in range(COLUMNS):
                to[n] = of[n]
        for n in range(columns // COLUMNS * COLUMNS, columns):
            panels[n // COLUMNS, m, n % COLUMNS] = row[n]
    for i in range(len(panels_t)):
        high = min(COLUMNS, rows - i * COLUMNS)
        of = matrix(dy.ravel(), i * COLUMNS * columns, columns)
        transpose(matrix(panels_t[i].ravel(), 0, COLUMNS), of, high, columns)


@function
def input_gradient(dx, w, buffers, ahead, ahead_too, row, k, wide):
    """Columns k to k + wide of dx = dy w^T, made as rows of its transpose.

    Parameters
    ----------
    ahead, ahead_too, row : arrays like w that are needed next, from that row on.
    """
    _, dx_t, _, panels_t = buffers
    (rows, depth), columns = dx.shape, w.shape[1]
    to, left = matrix(dx_t.ravel(), k * rows, rows), matrix(w.ravel(), k * columns, columns)
    soon = matrix(ahead.ravel(), row * columns, columns)
    soon_too = matrix(ahead_too.ravel(), row * columns, columns)
    for i in range(len(panels_t)):
        m, panel = i * COLUMNS, matrix(panels_t[i].ravel(), 0, COLUMNS)
        multiply_panel(at(to, 0, m), left, panel, wide, min(COLUMNS, rows - m), columns, soon, soon_too)
    transpose(matrix(dx.ravel(), k, depth), to, wide, rows)


@function
def update_rows(weight, x, scalars, buffers, k, wide):
    """Rows k to k + wide of w by Adam, each tile as soon as there is that of x^T dy."""
    (w, m, v), (x_t, _, panels, _) = weight, buffers
    (rows, depth), columns = x.shape, w.shape[1]
    left, flat = matrix(x_t.ravel(), k * rows, rows), (w.ravel(), m.ravel(), v.ravel())
    transpose(left, matrix(x.ravel(), k, depth), rows, wide)
    update(flat, k * columns, left, panels.ravel(), scalars, wide, columns, rows)


@function
def update_bias(bias, dy, scalars, db):
    sum_rows(db, dy)
    adam_update(bias[0], bias[1], bias[2], db, scalars)
