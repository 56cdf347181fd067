"""The mini-batch: a gather."""

from ..numba_common import locate, my_tiles, real, tiles_of
from ..numba_source import device, kernel


# batch_gather: fetch rows of the data set by index and scale their pixels to the range of tanh.
#
#   x[b] = (images[indices[b]] - 127.5) / 127.5,   y[b] = labels[indices[b]]   reference.py (1), (2)
#
# Threads   block (32, 8), a tile of as many pixels; lanes of a warp read neighbouring bytes of one image.
# Memory    a byte read and 4 written a pixel, the least possible; the images are in device memory all along.
# Limit     bound by latency: each row waits for its index.
# Numerics  p - 127.5 is exact; one rounding.
# Source    this project.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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
