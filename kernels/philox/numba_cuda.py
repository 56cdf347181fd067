"""Random numbers, as in cuda.cu; Philox itself is in numba_common.py.

Numba has no access of 16 bytes to an array of floats.  So a thread stores its four elements one by one, and the
lanes of each request lie 16 bytes apart: every sector is asked for four times.
"""

import math

import numpy as np

from ..numba_common import (
    ceil_div,
    cospi,
    cuda,
    locate_on_line,
    my_tiles,
    philox,
    real,
    sinpi,
    stream_block,
    uint64,
    uniform,
)
from ..numba_source import device, kernel

_HALF = uint64(32)
_UNIT = 1.0 / 16777216.0


@device
def philox_words_tile(tile, words, counters, keys, n):
    i = locate_on_line(tile)
    if i >= n:
        return
    c0, c1, c2, c3 = counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3]
    k0, k1 = keys[i, 0], keys[i, 1]
    out = philox(uint64(c0), uint64(c1), uint64(c2), uint64(c3), uint64(k0), uint64(k1))
    for j in range(4):
        words[i, j] = out[j]


@kernel
def philox_words(words, counters, keys, n):
    for tile in my_tiles(ceil_div(n, cuda.blockDim.x)):
        philox_words_tile(tile, words, counters, keys, n)


@device
def random_uniform_tile(tile, y, iteration, seed, stream, limit, n):
    block = locate_on_line(tile)
    if 4 * block >= n:
        return
    words = stream_block(block, iteration, seed, stream)
    for j in range(4):
        if 4 * block + j < n:
            y[4 * block + j] = (real(2) * uniform(words[j]) - real(1)) * limit


@kernel
def random_uniform(y, iteration, seed, stream, limit, n):
    for tile in my_tiles(ceil_div(n, 4 * cuda.blockDim.x)):
        random_uniform_tile(tile, y, iteration, seed, stream, limit, n)


@device
def random_normal_tile(tile, y, iteration, seed, stream, n):
    block = locate_on_line(tile)
    if 4 * block >= n:
        return
    words = stream_block(block, iteration, seed, stream)
    for j in range(0, 4, 2):
        radius = math.sqrt(real(-2) * math.log(uniform(words[j]) + real(_UNIT)))
        angle = real(2) * uniform(words[j + 1])  # in units of pi
        i = 4 * block + j
        if i < n:
            y[i] = radius * cospi(angle)
        if i + 1 < n:
            y[i + 1] = radius * sinpi(angle)


@kernel
def random_normal(y, iteration, seed, stream, n):
    for tile in my_tiles(ceil_div(n, 4 * cuda.blockDim.x)):
        random_normal_tile(tile, y, iteration, seed, stream, n)


@device
def random_integers_tile(tile, y, iteration, seed, stream, high, n):
    block = locate_on_line(tile)
    if 4 * block >= n:
        return
    words = stream_block(block, iteration, seed, stream)
    for j in range(4):
        if 4 * block + j < n:
            y[4 * block + j] = np.int32(uint64(words[j]) * uint64(high) >> _HALF)


@kernel
def random_integers(y, iteration, seed, stream, high, n):
    for tile in my_tiles(ceil_div(n, 4 * cuda.blockDim.x)):
        random_integers_tile(tile, y, iteration, seed, stream, high, n)
