"""Label conditioning, as in cuda.cu."""

from ..numba_common import locate, my_tiles, real, tiles_of
from ..numba_source import device, kernel


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


@kernel
def embedding_backward_input(dx, dy, table, labels, B, C, V):
    for tile in my_tiles(tiles_of(B, C)):
        embedding_forward_tile(tile, dx, dy, table, labels, B, C)


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
