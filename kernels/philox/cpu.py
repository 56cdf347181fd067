"""Random numbers on the CPU.  All words are carried as uint64, which Numba's integer typing leaves alone."""

import math

import numpy as np

from ..compile import device, kernel
from .reference import M0, M1, ROUNDS, W0, W1

_M0, _M1, _W0, _W1 = np.uint64(M0), np.uint64(M1), np.uint64(W0), np.uint64(W1)
_LOW, _HALF, _BYTE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(8)
_UNIT = 2.0**-24
_TURN = 2.0 * math.pi


@device
def philox(c0, c1, c2, c3, k0, k1):
    """Four words from a counter and a key; everything uint64 below 2^32."""
    for _ in range(ROUNDS):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@device
def stream_block(block, iteration, seed, stream):
    """The four words of a stream's block, by reference.py (3)."""
    it, key = np.uint64(iteration[0]), np.uint64(seed)
    return philox(np.uint64(block), np.uint64(stream), it & _LOW, it >> _HALF, key & _LOW, key >> _HALF)


@device
def uniform(word):
    """Uniform in [0, 1), exact in float32."""
    return np.float32(np.int32(word >> _BYTE)) * np.float32(_UNIT)


@kernel
def philox_words(words, counters, keys):
    for i in range(words.shape[0]):
        c, k = counters[i], keys[i]
        words[i, 0], words[i, 1], words[i, 2], words[i, 3] = philox(
            np.uint64(c[0]), np.uint64(c[1]), np.uint64(c[2]), np.uint64(c[3]), np.uint64(k[0]), np.uint64(k[1])
        )


@kernel
def random_uniform(y, iteration, seed, stream, limit):
    for block in range((y.size + 3) // 4):
        words = stream_block(block, iteration, seed, stream)
        for j in range(min(4, y.size - 4 * block)):
            y[4 * block + j] = (2.0 * uniform(words[j]) - 1.0) * limit


@kernel
def random_integers(y, iteration, seed, stream, high):
    for block in range((y.size + 3) // 4):
        words = stream_block(block, iteration, seed, stream)
        for j in range(min(4, y.size - 4 * block)):
            y[4 * block + j] = (words[j] * np.uint64(high)) >> _HALF


@kernel
def random_normal(y, iteration, seed, stream):
    draw_normals(y, 0, iteration, seed, stream)


@device
def draw_normals(y, first, iteration, seed, stream):
    """Elements ``first`` to ``first + y.size`` of the stream's normals; each pair has one radius."""
    for block in range(first // 4, (first + y.size + 3) // 4):
        words = stream_block(block, iteration, seed, stream)
        for j in range(0, 4, 2):
            i = 4 * block + j - first
            if -1 <= i < y.size:
                radius = math.sqrt(-2.0 * math.log(uniform(words[j]) + _UNIT))
                angle = _TURN * uniform(words[j + 1])
                if i >= 0:
                    y[i] = radius * math.cos(angle)
                if i + 1 < y.size:
                    y[i + 1] = radius * math.sin(angle)
