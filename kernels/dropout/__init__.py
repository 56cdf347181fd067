"""Inverted dropout, its mask drawn by the counter-based generator.

The rows of x may be some of a batch's: ``first`` counts the fours of elements before them.
"""

from ..geometry import fours, line
from ..registry import Op, one_version

FORWARD = Op(
    package=__name__,
    name="dropout_forward",
    signature="y(B,C) mask(B,C):uint8 <- x(B,C) iteration(1):int64 seed:uint64 stream:uint32 rate first:uint32",
    flops=lambda B, C: 27 * B * C,
    backward=("dropout_backward",),
    kernels=one_version(lambda B, C: fours(B * C)),
)
BACKWARD = Op(
    package=__name__,
    name="dropout_backward",
    signature="dx(B,C) <- dy(B,C) mask(B,C):uint8 rate",
    flops=lambda B, C: B * C,
    kernels=one_version(lambda B, C: line(B * C)),
)

OPS = (FORWARD, BACKWARD)
