"""Binary cross-entropy on the logit: a reduction to a number."""

import math

from ..geometry import THREADS
from ..numba_common import ceil_div, cuda, locate_on_line, my_tiles, real, steps, sum_over_block
from ..numba_source import device, kernel


# bce_forward: the mean loss of a batch against one target, and the share of logits on the right side.
#
#   loss = mean of max(l, 0) - l t + ln(1 + exp(-|l|)),   accuracy = share of (l > 0) = (t > 1/2)
#       reference.py (1), (3)
#
# Threads   one block (THREADS, 1).  A thread adds up every 256th logit, then a tree adds up the threads.
# Memory    4 bytes read a logit, the least possible.
# Limit     bound by latency: two trees of eight steps.
# Barriers  those of the two sums; all threads of the block stay to the end.
# Numerics  no exponent is positive, so nothing overflows.  A fixed tree: the same bits on every run.
# Source    the rearrangement in reference.py.
# Same op   reference.py (float64)   cpu.py   cuda.cu
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


# bce_backward: where the gradient of everything starts.
#
#   dl = (sigmoid(l) - t) / B   reference.py (2)
#
# Threads   block (THREADS, 1), one logit a thread.
# Memory    4 bytes read and 4 written a logit, the least possible.
# Limit     bound by latency.
# Numerics  the sigmoid from exp(-|l|) on both sides of 0, so nothing overflows and small values keep their
#           digits.
# Source    the derivative of (1).
# Same op   reference.py (float64)   cpu.py   cuda.cu
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
