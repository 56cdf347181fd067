"""Binary cross-entropy on the logit in NumPy, for one target t that the whole batch shares.

Forward.  The discriminator says "real" with probability p = sigmoid(l) = 1 / (1 + exp(-l)), so

    ln p       = -ln(1 + exp(-l))
    ln (1 - p) = ln(exp(-l) / (1 + exp(-l))) = -l - ln(1 + exp(-l))

and the cross-entropy of one logit is

    -t ln p - (1 - t) ln (1 - p) = l - l t + ln(1 + exp(-l))           for l >= 0
                                 =   - l t + ln(1 + exp(l))            for l < 0

where the second line is l + ln(1 + exp(-l)) = ln(exp(l) (1 + exp(-l))) = ln(1 + exp(l)).
Where each is used its exponent is not positive: nothing overflows, and nothing is lost when p is near 0 or 1.
As one formula:

    (1)  loss = mean over b of  max(l[b], 0) - l[b] t + ln(1 + exp(-|l[b]|))

Backward.  Of the mean over B logits, l[b] stands in one term alone, divided by B.  That term's derivative is

    1 - t - exp(-l) / (1 + exp(-l)) = 1 / (1 + exp(-l)) - t            for l >= 0
      - t + exp(l)  / (1 + exp(l))                                     for l < 0

and what stands beside -t in either is sigmoid(l), again without a positive exponent:

    (2)  dl[b] = (sigmoid(l[b]) - t) / B,    sigmoid(l) = 1 / (1 + exp(-l)) = exp(l) / (1 + exp(l))

The accuracy has no gradient:

    (3)  accuracy = share of the l with (l > 0) = (t > 1/2)        l > 0 is p > 1/2

By hand, two logits of real images (t = 1), ln 3 and -ln 3.  Their p are 3/4 and 1/4, so the loss is the mean of
-ln 3/4 = 0.2877 and -ln 1/4 = 1.3863, and the gradients are (3/4 - 1) / 2 and (1/4 - 1) / 2:

    >>> logits = np.array([[np.log(3)], [-np.log(3)]])
    >>> loss, accuracy, dlogits = np.empty(1), np.empty(1), np.empty((2, 1))
    >>> bce_forward(loss, accuracy, logits, 1)
    >>> print(loss.round(4), accuracy)
    [0.837] [0.5]
    >>> bce_backward(dlogits, logits, 1)
    >>> print(dlogits.ravel())
    [-0.125 -0.375]

The logit that is wrong gets three times the gradient of the one that is right.
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
