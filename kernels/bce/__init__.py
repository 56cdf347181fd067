"""Binary cross-entropy on the logit, averaged over the batch, and the share of logits on the right side."""

from ..geometry import line, one_block
from ..registry import Op, one_version

FORWARD = Op(
    package=__name__,
    name="bce_forward",
    signature="loss(1) accuracy(1) <- logits(B,1) target",
    flops=lambda B: 8 * B,
    backward=("bce_backward",),
    kernels=one_version(lambda B: one_block()),
)
BACKWARD = Op(
    package=__name__,
    name="bce_backward",
    signature="dlogits(B,1) <- logits(B,1) target",
    flops=lambda B: 5 * B,
    kernels=one_version(lambda B: line(B)),
)

OPS = (FORWARD, BACKWARD)
