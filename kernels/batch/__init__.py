"""The mini-batch: gather rows of the data set by index and scale their pixels."""

from ..geometry import plane
from ..registry import Op, one_version

GATHER = Op(
    package=__name__,
    name="batch_gather",
    signature="x(B,P) y(B):int32 <- images(N,P):uint8 labels(N):uint8 indices(B):int32",
    flops=lambda B, P, N: 2 * B * P,
    moved=lambda B, P, N: B * (5 * P + 9),
    kernels=one_version(lambda B, P, N: plane(B, P)),
    wide=("images",),
)

OPS = (GATHER,)
