"""Binary cross-entropy on the CPU: a batch of scalars, summed in float64."""

import math

from ..compile import kernel


@kernel
def bce_forward(loss, accuracy, logits, target):
    total, right = 0.0, 0
    for b in range(logits.shape[0]):
        l = float(logits[b, 0])
        total += max(l, 0.0) - l * target + math.log1p(math.exp(-abs(l)))  # reference.py (1)
        right += (l > 0.0) == (target > 0.5)
    loss[0] = total / logits.shape[0]
    accuracy[0] = right / logits.shape[0]


@kernel
def bce_backward(dlogits, logits, target):
    for b in range(logits.shape[0]):
        l = float(logits[b, 0])
        e = math.exp(-abs(l))
        sigmoid = (e if l < 0.0 else 1.0) / (1.0 + e)
        dlogits[b, 0] = (sigmoid - target) / logits.shape[0]  # reference.py (2)
