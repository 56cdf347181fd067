"""Philox4x32-10 and the draws of the generator again, in plain Python integers, for the tests alone.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
"""

import math

MASK = 0xFFFFFFFF


def block(counter, key):
    """Four words from a counter of four words and a key of two."""
    c, k = list(counter), list(key)
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [right >> 32 ^ c[1] ^ k[0], right & MASK, left >> 32 ^ c[3] ^ k[1], left & MASK]
        k = [k[0] + 0x9E3779B9 & MASK, k[1] + 0xBB67AE85 & MASK]
    return c


def word(i, iteration, seed, stream):
    """The word that element i of a stream is made from."""
    counter = (i // 4, stream, iteration & MASK, iteration >> 32)
    return block(counter, (seed & MASK, seed >> 32))[i % 4]


def unit(i, *where):
    """Uniform in [0, 1)."""
    return (word(i, *where) >> 8) / 2**24


def normal(i, *where):
    """Box-Muller on the words of elements 2p and 2p + 1."""
    even = i - i % 2
    radius = math.sqrt(-2 * math.log(((word(even, *where) >> 8) + 1) / 2**24))
    angle = 2 * math.pi * unit(even + 1, *where)
    return radius * (math.sin(angle) if i % 2 else math.cos(angle))


def integer(i, high, *where):
    return word(i, *where) * high >> 32
