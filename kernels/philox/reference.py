"""Philox4x32-10 and the draws made from it, in NumPy (Salmon et al. 2011, "Parallel random numbers: as easy as
1, 2, 3", section 3.3).

A block cipher with few rounds turns (counter, key) into four 32-bit words.  One round, with hi and lo the
halves of a 64-bit product:

    (1)  (c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0))
    (2)  (k0, k1) <- (k0 + W0, k1 + W1)      between rounds; ten rounds in all

Element i of a stream is word i mod 4 of the block with

    (3)  key = (seed low, seed high),   counter = (i div 4, stream, iteration low, iteration high)

and from its word w are made

    (4)  u = (w >> 8) 2^-24                       uniform in [0, 1), exact in float32
    (5)  y = (2 u - 1) limit                      uniform in [-limit, limit)
    (6)  k = (w high) >> 32                       integer in [0, high): a product, no modulo
    (7)  r = sqrt(-2 ln u1),  r cos(2 pi u2), r sin(2 pi u2)     normals 2p and 2p + 1 (Box & Muller 1958),
         u1 = ((a >> 8) + 1) 2^-24 in (0, 1],  u2 = (b >> 8) 2^-24,  a and b the words 2p and 2p + 1
"""

import numpy as np

M0, M1 = 0xD2511F53, 0xCD9E8D57
W0, W1 = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox_words(words, counters, keys):
    c0, c1, c2, c3 = counters.astype(np.uint64).T
    k0, k1 = keys.astype(np.uint64).T
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(M0) * c0, np.uint64(M1) * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW  # (1)
        k0, k1 = (k0 + np.uint64(W0)) & _LOW, (k1 + np.uint64(W1)) & _LOW  # (2)
    words[...] = np.stack([c0, c1, c2, c3], axis=1)


def stream_words(n, iteration, seed, stream, first=0):
    """The n words of a stream from block ``first`` on, as (n,) uint64, by (3)."""
    blocks = -(-n // 4)
    seed, iteration = int(seed), int(iteration[0])
    counters = np.empty((blocks, 4), np.uint32)
    counters[:, 0] = first + np.arange(blocks)
    counters[:, 1:] = stream, iteration & 0xFFFFFFFF, iteration >> 32
    keys = np.full((blocks, 2), (seed & 0xFFFFFFFF, seed >> 32), np.uint32)
    words = np.empty((blocks, 4), np.uint32)
    philox_words(words, counters, keys)
    return words.ravel()[:n].astype(np.uint64)


def uniform(words):
    """Uniforms in [0, 1) as float64, by (4)."""
    return (words >> np.uint64(8)).astype(np.float64) * 2.0**-24


def random_uniform(y, iteration, seed, stream, limit):
    y[...] = (2 * uniform(stream_words(y.size, iteration, seed, stream)) - 1) * limit  # (5)


def random_integers(y, iteration, seed, stream, high):
    y[...] = (stream_words(y.size, iteration, seed, stream) * np.uint64(high)) >> _HALF  # (6)


def random_normal(y, iteration, seed, stream):
    u = uniform(stream_words(2 * (-(-y.size // 2)), iteration, seed, stream))
    radius = np.sqrt(-2 * np.log(u[0::2] + 2.0**-24))  # (7)
    angle = 2 * np.pi * u[1::2]
    y[...] = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[: y.size]
