"""Counter-based random numbers: a map from the number of an element to its value, with no state at all.

Philox itself is in numba_common.py, where dropout finds it too.
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


# philox_words: the bare generator, for tests against published answers.
#
#   words = philox(counter, key)   reference.py (1), (2)
#
# Threads   block (THREADS, 1), one counter a thread.
# Memory    24 bytes read and 16 written a counter, the least possible.
# Limit     some 100 integer instructions for 40 bytes: bound by the integer units.
# Numerics  integers, exact.
# Source    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
# Same op   reference.py   cpu.py   cuda.cu
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


# random_uniform: initial weights.
#
#   y = (2 u - 1) limit   reference.py (4), (5)
#
# Threads   block (THREADS, 1); a thread makes a block of four elements, which share one run of the cipher.
# Memory    4 bytes written an element, the least possible; a warp writes 512 bytes in a row.
# Limit     bound by the integer units.
# Numerics  2 u - 1 is exact; one rounding.
# Source    Salmon et al. 2011, section 3.3.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# random_normal: noise for the generator, two normals from two uniforms.
#
#   r = sqrt(-2 ln u1),  r cos(2 pi u2), r sin(2 pi u2)   reference.py (7)
#
# Threads   block (THREADS, 1); a thread makes a block of four elements: two pairs.
# Memory    4 bytes written an element, the least possible.
# Limit     bound by arithmetic: a logarithm, a root and a sine with its cosine for each pair.
# Numerics  u1 is in (0, 1], so the logarithm is finite; cospi and sinpi need no 2 pi u2, which is rounded.
# Source    Box & Muller 1958, "A note on the generation of random normal deviates".
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# random_integers: indices of a mini-batch, and labels.
#
#   k = (w high) >> 32   reference.py (6)
#
# Threads   block (THREADS, 1); a thread makes a block of four elements.
# Memory    4 bytes written an element, the least possible.
# Limit     bound by latency: a mini-batch is a few dozen numbers.
# Numerics  a 64-bit product; no value is more likely than another by over high / 2^32.
# Source    Lemire 2019, arXiv:1805.10941, section 3, without its rejection step.
# Same op   reference.py   cpu.py   cuda.cu
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
