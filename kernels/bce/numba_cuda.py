"""Binary cross-entropy on the logit, as in cuda.cu."""

import math

from ..geometry import THREADS
from ..numba_common import ceil_div, cuda, locate_on_line, my_tiles, real, steps, sum_over_block
from ..numba_source import device, kernel


@kernel
def bce_forward(loss, accuracy, logits, target, B):
    scratch = cuda.shared.array(THREADS, real)
    terms, right = real(0), real(0)
    for b in steps(cuda.threadIdx.x, B, cuda.blockDim.x):
        l = logits[b, 0]
        terms += max(l, real(0)) - l * target + math.log1p(math.exp(-abs(l)))
        right += real((l > real(0)) == (target > real(0.5)))
    terms = sum_over_block(terms, scratch)
    right = sum_over_block(right, scratch)
    if cuda.threadIdx.x == 0:
        loss[0] = terms / real(B)
        accuracy[0] = right / real(B)


@device
def bce_backward_tile(tile, dlogits, logits, target, B):
    b = locate_on_line(tile)
    if b >= B:
        return
    l = logits[b, 0]
    e = math.exp(-abs(l))
    sigmoid = (e if l < real(0) else real(1)) / (real(1) + e)
    dlogits[b, 0] = (sigmoid - target) / real(B)


@kernel
def bce_backward(dlogits, logits, target, B):
    for tile in my_tiles(ceil_div(B, cuda.blockDim.x)):
        bce_backward_tile(tile, dlogits, logits, target, B)
