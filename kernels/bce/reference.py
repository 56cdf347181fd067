"""Binary cross-entropy on the logit in NumPy, for one target t that the whole batch shares.

With p = sigmoid(l), -t ln p - (1 - t) ln(1 - p) rearranges to a form in which no exponent is positive, so
nothing overflows and nothing is lost when p is near 0 or 1:

    (1)  loss = mean over b of  max(l, 0) - l t + ln(1 + exp(-|l|))
    (2)  dl = (sigmoid(l) - t) / B,    sigmoid(l) = 1 / (1 + exp(-l)), or exp(l) / (1 + exp(l)) where l < 0
    (3)  accuracy = share of the l with (l > 0) = (t > 1/2)        l > 0 is p > 1/2
"""

import numpy as np


def bce_forward(loss, accuracy, logits, target):
    terms = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    loss[0] = terms.mean()  # (1)
    accuracy[0] = ((logits > 0) == (target > 0.5)).mean()  # (3)


def bce_backward(dlogits, logits, target):
    e = np.exp(-np.abs(logits))
    sigmoid = np.where(logits < 0, e, 1) / (1 + e)
    dlogits[...] = (sigmoid - target) / logits.shape[0]  # (2)
