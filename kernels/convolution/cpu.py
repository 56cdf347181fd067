"""Convolution on the CPU: the three products in register tiles (dense/microkernel.py), shared among threads.

A block's patches are gathered some elements at a time, which fit a cache and serve all columns.  backward_input
goes the other way: a row of dy w^T is what a place of y gives back to its patch of dx, and whoever has an image
adds up its patches.  In float64, which gradient checks use, one thread computes by the same code.
"""

import numpy as np
from numba import carray

from ..compile import device, kernel
from ..dense.cpu import DEEPEST, PANELS, block_of_product, columns_to_rows, scratch, transpose_of
from ..dense.microkernel import COLUMNS, ROWS, on_stack
from ..pool import POOL, WORDS, Part, floats, run

_HIGHEST = 192  # rows of a block: so many share a panel of right
_WIDEST = 128  # elements of a patch that are given back at a time

_FORWARD, _BACKWARD_INPUT, _BACKWARD_WEIGHT = range(3)  # one function does all three, which is compiled once

_WORDS = 15  # of a job: the pass, four addresses, and the sizes

_room_for_panels, _room_for_patches = on_stack(PANELS), on_stack(_HIGHEST * DEEPEST)
_room_for_more = on_stack(_HIGHEST * max(DEEPEST, _WIDEST))


def convolution_forward(y, x, w, stride, padding):
    _compute(_FORWARD, y, x, w, (*x.shape, *y.shape[1:], len(w), stride, padding))


def convolution_backward_input(dx, dy, w, stride, padding):
    taps = len(w)
    transposed = transpose_of("w", w.reshape(-1, w.shape[3]))
    _compute(_BACKWARD_INPUT, dx, dy, transposed, (*dx.shape, *dy.shape[1:], taps, stride, padding))


def convolution_backward_weight(dw, x, dy, stride, padding):
    _compute(_BACKWARD_WEIGHT, dw, x, dy, (*x.shape, *dy.shape[1:], len(dw), stride, padding))


@kernel
def bias_add(y, b):
    for m in range(y.shape[0]):
        for n in range(y.shape[1]):
            y[m, n] += b[n]


def _compute(pass_, out, left, right, sizes):
    """One of the passes; ``sizes`` are (B, H, W, C, P, Q, N, R, stride, padding)."""
    zeros = scratch("zeros", right.shape[-1:], out.dtype)
    if out.dtype == np.float32:
        _share(POOL.ready(), _part.address, POOL.parts, pass_, out, left, right, zeros, sizes)
    else:
        _alone(pass_, out.reshape(-1), left.reshape(-1), right.reshape(-1), zeros, sizes)


@device
def _blocks_of(rows, parts):
    """How many blocks: as many for each part, and none without a tile."""
    enough = (rows + _HIGHEST - 1) // _HIGHEST
    return min((enough + parts - 1) // parts * parts, (rows + ROWS - 1) // ROWS)


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
def _gather(patches, x, first, rows, k0, deep, sizes):
    """Elements k0 to k0 + deep of the patches ``first`` on: (rows, deep).

    What a row of taps meets lies side by side; of it some may be before the image or behind it.
    """
    H, W, C, P, Q = sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    R, stride, padding = sizes[7], sizes[8], sizes[9]
    line, r_first, r_last = R * C, k0 // (R * C), (k0 + deep - 1) // (R * C)
    b, p, q = first // (P * Q), first // Q % P, first % Q - 1
    for m in range(rows):
        b, p, q = _next(b, p, q, P, Q)
        r0, r1 = _inside(p, H, R, stride, padding)
        s0, s1 = _inside(q, W, R, stride, padding)
        for r in range(r_first, r_last + 1):
            e0, e1 = max(k0 - r * line, 0), min(k0 + deep - r * line, line)
            a, z = min(max(s0 * C, e0), e1), max(min(s1 * C, e1), e0)
            if r < r0 or r >= r1 or z < a:
                a, z = e1, e1
            to = m * deep + r * line - k0
            at = ((b * H + p * stride - padding + r) * W + q * stride - padding) * C
            _zero(patches[to + e0 :], a - e0)
            _copy(patches[to + a :], x[at + a :], z - a)
            _zero(patches[to + z :], e1 - z)


@device
def _give_back(dx, given, first, rows, k0, deep, sizes):
    """Add elements k0 to k0 + deep of patches, (rows, deep), to the pixels that they are of."""
    H, W, C, P, Q = sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    R, stride, padding = sizes[7], sizes[8], sizes[9]
    line, r_first, r_last = R * C, k0 // (R * C), (k0 + deep - 1) // (R * C)
    b, p, q = first // (P * Q), first // Q % P, first % Q - 1
    for m in range(rows):
        b, p, q = _next(b, p, q, P, Q)
        r0, r1 = _inside(p, H, R, stride, padding)
        s0, s1 = _inside(q, W, R, stride, padding)
        for r in range(max(r_first, r0), min(r_last + 1, r1)):
            to = ((b * H + p * stride - padding + r) * W + q * stride - padding) * C
            at = m * deep + r * line - k0
            a, z = max(k0 - r * line, s0 * C), min(k0 + deep - r * line, s1 * C)
            _add(dx[to + a :], given[at + a :], z - a)


@device
def _products(number, parts, pass_, out, left, right, zeros, sizes):
    """A part of the blocks of out; of backward_input, of the images, for only their owner may add to them.

    reference.py (5), with K in the order of (1), (2) or (3), but that (3) is summed tap by tap.
    """
    B, H, W, C, P, Q, N, R = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7]
    patches, panels = (
        carray(_room_for_patches(out), (_HIGHEST * DEEPEST,)),
        carray(_room_for_panels(out), (PANELS,)),
    )
    aside = carray(_room_for_more(out), (_HIGHEST * max(DEEPEST, _WIDEST),))
    first, last, columns, depth = 0, B * P * Q, N, R * R * C
    if pass_ == _BACKWARD_WEIGHT:
        last, depth = depth, last
    blocks = _blocks_of(last, parts)
    begin, end, widest = blocks * number // parts, blocks * (number + 1) // parts, columns
    if pass_ == _BACKWARD_INPUT:
        b0, b1 = B * number // parts, B * (number + 1) // parts
        for i in range(b0 * H * W * C, b1 * H * W * C):
            out[i] = 0
        first, last, columns, depth, widest = b0 * P * Q, b1 * P * Q, depth, N, _WIDEST
        blocks = _blocks_of(last - first, 1)
        begin, end = 0, blocks
    for block in range(begin, end):
        i0 = first + (last - first) * block // blocks
        high = first + (last - first) * (block + 1) // blocks - i0
        for k0 in range(0, columns, widest):
            wide = min(widest, columns - k0)
            to, to_row = (aside, wide) if pass_ == _BACKWARD_INPUT else (out[i0 * N :], N)
            for d0 in range(0, depth, DEEPEST):
                deep, fresh = min(DEEPEST, depth - d0), d0 == 0
                by, by_row, below = patches, deep, right[d0 * columns + k0 :]
                if pass_ == _BACKWARD_INPUT:
                    by, by_row = left[i0 * N + d0 :], N
                elif pass_ == _FORWARD:
                    _gather(patches, left, i0, high, d0, deep, sizes)
                else:
                    _gather(aside, left, d0, deep, i0, high, sizes)
                    columns_to_rows(0, 1, patches, aside, deep, high)
                for j0 in range(0, wide, COLUMNS):
                    j1 = min(j0 + COLUMNS, wide)
                    block_of_product(
                        to, to_row, by, by_row, below, columns, zeros, fresh, panels, 0, high, j0, j1, deep
                    )
            if pass_ == _BACKWARD_INPUT:
                _give_back(out, aside, i0, high, k0, wide, sizes)


@Part
def _part(number, parts, words):
    pass_, sizes = words[0], carray(words, (_WORDS,))[5:]
    x, y = sizes[0] * sizes[1] * sizes[2] * sizes[3], sizes[0] * sizes[4] * sizes[5] * sizes[6]
    w = sizes[7] * sizes[7] * sizes[3] * sizes[6]
    if pass_ == _FORWARD:
        out, left, right = y, x, w
    elif pass_ == _BACKWARD_INPUT:
        out, left, right = x, y, w
    else:
        out, left, right = w, x, y
    zeros = floats(words[4], (w // sizes[6] if pass_ == _BACKWARD_INPUT else sizes[6],))
    arrays = floats(words[1], (out,)), floats(words[2], (left,)), floats(words[3], (right,))
    _products(number, parts, pass_, arrays[0], arrays[1], arrays[2], zeros, sizes)


@kernel
def _share(mailbox, address, parts, pass_, out, left, right, zeros, sizes):
    words = mailbox[WORDS:]
    words[0], words[1], words[2] = pass_, out.ctypes.data, left.ctypes.data
    words[3], words[4] = right.ctypes.data, zeros.ctypes.data
    for i in range(len(sizes)):
        words[5 + i] = sizes[i]
    run(mailbox, address, parts)


@kernel
def _alone(pass_, out, left, right, zeros, sizes):
    _products(0, 1, pass_, out, left, right, zeros, np.array(sizes))
