"""Bookkeeping on the device, as in cuda.cu."""

from ..numba_common import ceil_div, cuda, locate_on_line, my_tiles
from ..numba_source import device, kernel


@device
def counters_advance_tile(tile, counters, increments, n):
    i = locate_on_line(tile)
    if i < n:
        counters[i] += increments[i]


@kernel
def counters_advance(counters, increments, n):
    for tile in my_tiles(ceil_div(n, cuda.blockDim.x)):
        counters_advance_tile(tile, counters, increments, n)


@device
def losses_record_tile(tile, ring, losses, iteration, R, C):
    c = locate_on_line(tile)
    if c < C:
        ring[iteration[0] % R, c] = losses[c]


@kernel
def losses_record(ring, losses, iteration, R, C):
    for tile in my_tiles(ceil_div(C, cuda.blockDim.x)):
        losses_record_tile(tile, ring, losses, iteration, R, C)
