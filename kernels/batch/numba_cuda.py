"""The mini-batch, as in cuda.cu."""

from ..numba_common import locate, my_tiles, real, tiles_of
from ..numba_source import device, kernel


@device
def batch_gather_tile(tile, x, y, images, labels, indices, B, P):
    b, p = locate(tile, P)
    if b >= B or p >= P:
        return
    row = indices[b]
    x[b, p] = (real(images[row, p]) - real(127.5)) / real(127.5)
    if p == 0:
        y[b] = labels[row]


@kernel
def batch_gather(x, y, images, labels, indices, B, P, N):
    for tile in my_tiles(tiles_of(B, P)):
        batch_gather_tile(tile, x, y, images, labels, indices, B, P)
