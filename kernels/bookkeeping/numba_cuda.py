"""Bookkeeping on the device, so that the host need not be asked and a recording of launches can be replayed."""

from ..numba_common import ceil_div, cuda, locate_on_line, my_tiles
from ..numba_source import device, kernel


# counters_advance: count on.
#
#   counters[i] += increments[i]   reference.py (1)
#
# Threads   block (THREADS, 1), one counter a thread.
# Memory    24 bytes a counter.
# Limit     bound by the launch itself.
# Numerics  integers, exact.
# Source    this project.
# Same op   reference.py   cpu.py   cuda.cu
@device
def counters_advance_tile(tile, counters, increments, n):
    i = locate_on_line(tile)
    if i < n:
        counters[i] += increments[i]


@kernel
def counters_advance(counters, increments, n):
    for tile in my_tiles(ceil_div(n, cuda.blockDim.x)):
        counters_advance_tile(tile, counters, increments, n)


# losses_record: put the losses of this iteration into a ring, over those of R iterations ago.
#
#   ring[iteration mod R] = losses   reference.py (2)
#
# Threads   block (THREADS, 1), one loss a thread.
# Memory    8 bytes a loss and the iteration's number.
# Limit     bound by the launch itself.
# Numerics  a copy.
# Source    this project.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def losses_record_tile(tile, ring, losses, iteration, R, C):
    c = locate_on_line(tile)
    if c < C:
        ring[iteration[0] % R, c] = losses[c]


@kernel
def losses_record(ring, losses, iteration, R, C):
    for tile in my_tiles(ceil_div(C, cuda.blockDim.x)):
        losses_record_tile(tile, ring, losses, iteration, R, C)
