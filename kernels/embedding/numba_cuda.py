"""Label conditioning: a gather forward, a scatter backward that is written as a gather."""

from ..numba_common import locate, my_tiles, real, tiles_of
from ..numba_source import device, kernel


# embedding_forward: multiply each row by the embedding of its label.
#
#   y[b,c] = x[b,c] table[labels[b],c]   reference.py (1)
#
# Threads   block (32, 8), a tile of as many elements; a warp reads one row of the table.
# Memory    x and a row of the table are read, y written: 12 bytes an element; the table's ten rows stay in
#           cache.
# Limit     bound by bandwidth.
# Numerics  one rounding.
# Source    the label as a factor of the input: the tutorial's form of Mirza & Osindero 2014, arXiv:1411.1784.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def embedding_forward_tile(tile, y, x, table, labels, B, C):
    b, c = locate(tile, C)
    if b >= B or c >= C:
        return
    y[b, c] = x[b, c] * table[labels[b], c]


@kernel
def embedding_forward(y, x, table, labels, B, C, V):
    for tile in my_tiles(tiles_of(B, C)):
        embedding_forward_tile(tile, y, x, table, labels, B, C)


# embedding_backward_input: the gradient at the other factor.
#
#   dx[b,c] = dy[b,c] table[labels[b],c]   reference.py (2)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    as forward.
# Limit     bound by bandwidth.
# Numerics  one rounding.
# Source    the derivative of (1): the forward pass itself, with dy for x.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@kernel
def embedding_backward_input(dx, dy, table, labels, B, C, V):
    for tile in my_tiles(tiles_of(B, C)):
        embedding_forward_tile(tile, dx, dy, table, labels, B, C)


# embedding_backward_table: for each row of the table, the sum over the batch rows that carry its label.
#
#   dtable[v,c] = sum over b with labels[b] = v of dy[b,c] x[b,c]   reference.py (3)
#
# Threads   block (32, 8), a tile of as many elements of the table.  A scatter turned round: an element of the
#           table looks for its batch rows, so no two threads write to one place and no atomics are needed.
# Memory    every thread reads all labels, a warp the same one at a time; dy and x are read once, dtable
#           written.
# Limit     bound by latency: B steps, of which few do anything.
# Numerics  additions in the order of the batch: the same bits on every run.  Rows without a label get zeros.
# Source    the derivative of (1).
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def embedding_backward_table_tile(tile, dtable, dy, x, labels, V, C, B):
    v, c = locate(tile, C)
    if v >= V or c >= C:
        return
    total = real(0)
    for b in range(B):
        if labels[b] == v:
            total += dy[b, c] * x[b, c]
    dtable[v, c] = total


@kernel
def embedding_backward_table(dtable, dy, x, labels, V, C, B):
    for tile in my_tiles(tiles_of(V, C)):
        embedding_backward_table_tile(tile, dtable, dy, x, labels, V, C, B)
