"""Convolution on the CPU: the three products in register tiles (dense/blocks.py), shared among threads.

The patches of some places are gathered some elements at a time, which fit a cache and serve all columns.
backward_input goes the other way: a row of dy w^T is what a place of y gives back to its patch of dx, and
whoever has an image adds up its patches.
"""

import numpy as np
from numba import carray

from ..compile import device, function, kernel
from ..dense.blocks import product, scratch, transpose, width
from ..dense.cpu import transposed
from ..dense.microkernel import matrix, on_stack
from ..pool import POOL, share

_HIGH = 196  # rows of a block: so many share a panel of right
_DEEP = 128  # elements of a patch that are gathered, or given back, at a time
_FEW, _STRETCHES = 64, 16  # of fewer rows of dw, threads share the places that are summed over

_room, _more_room = on_stack(_HIGH * _DEEP), on_stack(_HIGH * _DEEP)


def convolution_forward(y, x, w, stride, padding):
    zeros = scratch("zeros", w.shape[3:], w.dtype)
    _forward(POOL.ready(), POOL.parts, y, x, w, zeros, stride, padding)


def convolution_backward_input(dx, dy, w, stride, padding):
    across = transposed("w", w.reshape(-1, w.shape[3]))
    zeros = scratch("zeros", across.shape[1:], w.dtype)
    _backward_input(POOL.ready(), POOL.parts, dx, dy, across, zeros, len(w), stride, padding)


def convolution_backward_weight(dw, x, dy, stride, padding):
    zeros, (B, P, Q, N) = scratch("zeros", dw.shape[3:], dw.dtype), dy.shape
    count = min(_STRETCHES, -(-B * P * Q // _DEEP)) if dw.size // N < _FEW else 1
    sums = scratch("sums", (count, *dw.shape), dw.dtype) if count > 1 else dw[None]
    _backward_weight(POOL.ready(), POOL.parts, sums, x, dy, zeros, stride, padding)
    if count > 1:
        np.add.reduce(sums, out=dw)


@kernel
def bias_add(y, b):
    for m in range(y.shape[0]):
        for n in range(y.shape[1]):
            y[m, n] += b[n]


@kernel
def _forward(mailbox, parts, y, x, w, zeros, stride, padding):
    share(mailbox, parts, _forward_part, (y, x, w, zeros, stride, padding))


@device
def _forward_part(number, parts, y, x, w, zeros, stride, padding):
    """reference.py (1), for a part of the places of y."""
    (B, P, Q, N), depth = y.shape, w.size // w.shape[3]
    sizes = x.shape[1], x.shape[2], x.shape[3], P, Q, len(w), stride, padding
    y, x, w = y.ravel(), x.ravel(), w.ravel()
    patches = carray(_room(y), (_HIGH * _DEEP,))
    begin, end = B * P * Q * number // parts, B * P * Q * (number + 1) // parts
    blocks = (end - begin + _HIGH - 1) // _HIGH
    for block in range(blocks):
        first = begin + (end - begin) * block // blocks
        high = begin + (end - begin) * (block + 1) // blocks - first
        for d in range(0, depth, _DEEP):
            deep = min(_DEEP, depth - d)
            _gather(patches, x, first, high, d, deep, sizes)
            block_of_y, factor = matrix(y, first * N, N), matrix(w, d * N, N)
            _multiply(block_of_y, matrix(patches, 0, deep), factor, zeros, d == 0, high, N, deep)


@kernel
def _backward_input(mailbox, parts, dx, dy, across, zeros, taps, stride, padding):
    share(mailbox, parts, _backward_input_part, (dx, dy, across, zeros, taps, stride, padding))


@device
def _backward_input_part(number, parts, dx, dy, across, zeros, taps, stride, padding):
    """reference.py (2), for a part of the images, for only their owner may add to them.

    Where a block ends has no say in the order of additions: either all places of an image are in one, or the
    blocks of each image are its own.
    """
    (B, H, W, C), (_, P, Q, N), elements = dx.shape, dy.shape, across.shape[1]
    sizes = H, W, C, P, Q, taps, stride, padding
    dx, dy, across = dx.ravel(), dy.ravel(), across.ravel()
    given = carray(_room(dx), (_HIGH * _DEEP,))
    begin, end, images = B * number // parts, B * (number + 1) // parts, max(1, _HIGH // (P * Q))
    _zero(dx[begin * H * W * C :], (end - begin) * H * W * C)
    for b in range(begin, end, images):
        last = min(b + images, end) * P * Q
        for first in range(b * P * Q, last, _HIGH):
            high = min(_HIGH, last - first)
            for k in range(0, elements, _DEEP):
                wide = min(_DEEP, elements - k)
                left, right = matrix(dy, first * N, N), matrix(across, k, elements)
                _multiply(matrix(given, 0, wide), left, right, zeros, True, high, wide, N)
                _give_back(dx, given, first, high, k, wide, sizes)


@kernel
def _backward_weight(mailbox, parts, sums, x, dy, zeros, stride, padding):
    share(mailbox, parts, _backward_weight_part, (sums, x, dy, zeros, stride, padding))


@device
def _backward_weight_part(number, parts, sums, x, dy, zeros, stride, padding):
    """reference.py (3), for a part of the elements of a patch, which are rows of dw.

    Where these are too few to share, it is for some stretches of the places, each with a sum of its own.
    """
    (B, P, Q, N), count, size = dy.shape, len(sums), sums[0].size
    sizes = x.shape[1], x.shape[2], x.shape[3], P, Q, sums.shape[1], stride, padding
    sums, x, dy = sums.ravel(), x.ravel(), dy.ravel()
    gathered, patches = carray(_room(x), (_HIGH * _DEEP,)), carray(_more_room(x), (_HIGH * _DEEP,))
    rows = 0, size // N
    stretches = count * number // parts, count * (number + 1) // parts
    if count == 1:
        rows, stretches = (rows[1] * number // parts, rows[1] * (number + 1) // parts), (0, 1)
    for s in range(stretches[0], stretches[1]):
        begin, end = B * P * Q * s // count, B * P * Q * (s + 1) // count
        for k in range(rows[0], rows[1], _HIGH):
            high, out = min(_HIGH, rows[1] - k), matrix(sums, s * size + k * N, N)
            for first in range(begin, end, _DEEP):
                deep = min(_DEEP, end - first)
                _gather(gathered, x, first, deep, k, high, sizes)
                transpose(matrix(patches, 0, deep), matrix(gathered, 0, high), deep, high)
                left, right = matrix(patches, 0, deep), matrix(dy, first * N, N)
                _multiply(out, left, right, zeros, first == begin, high, N, deep)


@function
def _multiply(out, left, right, zeros, fresh, rows, columns, depth):
    """out(rows, columns) = left(rows, depth) right(depth, columns), or added to it."""
    (to, at, row), (factor, of, of_row), wide = out, right, width(depth)
    for j in range(0, columns, wide):
        mine = matrix(to, at + j, row)
        start = matrix(zeros, j, 0) if fresh else mine
        product(mine, left, matrix(factor, of + j, of_row), start, rows, min(wide, columns - j), depth)


# Patches ----------------------------------------------------------------------------------------------------
# An index that counts from 0 is not negative, and so these are SIMD loops.


@device
def _zero(out, count):
    for e in range(count):
        out[e] = 0


@device
def _copy(out, x, count):
    for e in range(count):
        out[e] = x[e]


@device
def _add(out, x, count):
    for e in range(count):
        out[e] += x[e]


@device
def _inside(place, size, taps, stride, padding):
    """The taps, from one to before another, that meet pixels in a place of y."""
    first = min(max(padding - place * stride, 0), taps)
    return first, max(min(size + padding - place * stride, taps), first)


@device
def _next(b, p, q, P, Q):
    """The place of y behind (b, p, q): cheaper than the divisions that tell it from its number."""
    q += 1
    if q == Q:
        p, q = p + 1, 0
    if p == P:
        b, p = b + 1, 0
    return b, p, q


@function
def _gather(patches, x, first, rows, k, deep, sizes):
    """Elements k to k + deep of the patches of ``rows`` places, ``first`` on.

    What a row of taps meets lies side by side; of it some may be before the image or behind it.
    """
    H, W, C, P, Q, R, stride, padding = sizes
    line, r_first, r_last = R * C, k // (R * C), (k + deep - 1) // (R * C)
    b, p, q = first // (P * Q), first // Q % P, first % Q - 1
    for m in range(rows):
        b, p, q = _next(b, p, q, P, Q)
        r0, r1 = _inside(p, H, R, stride, padding)
        s0, s1 = _inside(q, W, R, stride, padding)
        for r in range(r_first, r_last + 1):
            e0, e1 = max(k - r * line, 0), min(k + deep - r * line, line)
            a, z = min(max(s0 * C, e0), e1), max(min(s1 * C, e1), e0)
            if r < r0 or r >= r1 or z < a:
                a, z = e1, e1
            to = m * deep + r * line - k
            at = ((b * H + p * stride - padding + r) * W + q * stride - padding) * C
            _zero(patches[to + e0 :], a - e0)
            _copy(patches[to + a :], x[at + a :], z - a)
            _zero(patches[to + z :], e1 - z)


@function
def _give_back(dx, given, first, rows, k, deep, sizes):
    """Add elements k to k + deep of the patches of ``rows`` places to the pixels that they are of."""
    H, W, C, P, Q, R, stride, padding = sizes
    line, r_first, r_last = R * C, k // (R * C), (k + deep - 1) // (R * C)
    b, p, q = first // (P * Q), first // Q % P, first % Q - 1
    for m in range(rows):
        b, p, q = _next(b, p, q, P, Q)
        r0, r1 = _inside(p, H, R, stride, padding)
        s0, s1 = _inside(q, W, R, stride, padding)
        for r in range(max(r_first, r0), min(r_last + 1, r1)):
            to = ((b * H + p * stride - padding + r) * W + q * stride - padding) * C
            at = m * deep + r * line - k
            a, z = max(k - r * line, s0 * C), min(k + deep - r * line, s1 * C)
            _add(dx[to + a :], given[at + a :], z - a)
