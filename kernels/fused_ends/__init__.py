"""The two ends of a fused iteration: all that it draws, and the record of its losses, an op each."""

from ..fused_forward import MOST
from ..geometry import PLANE, THREADS, Geometry, ceil_div, one_block, plane
from ..philox import WORD
from ..registry import Kernel, Op


def _geometry(M: int, P: int, K: int, **_: int) -> Geometry:
    """A thread for each pixel, then one for every four numbers of noise."""
    return Geometry(plane(M, P).grid + ceil_div(M * K, 4 * THREADS), PLANE)


_DRAWS = (
    Kernel("cpu"),
    Kernel("cuda", None, _geometry),
)

DRAW = Op(
    package=__name__,
    name="fused_draw",
    signature="x(M,P) z(2,M,K) <- images(N,P):uint8 iteration(1):int64"
    " seed:uint64 index_stream:uint32 noise_stream:uint32",
    flops=lambda M, P, K, N: M * (2 * P + (WORD + 6) * K + WORD + 1),
    moved=lambda M, P, K, N: M * (5 * P + 8 * K) + 8,
    kernels=_DRAWS,
    wide=("images",),
    most={"M": MOST["M"]},
)
DRAW_EMBEDDING = Op(
    package=__name__,
    name="fused_draw_embedding",
    signature="x(M,P) labels(2,M):int32 z(M,K) h(2,M,K)"
    " <- images(N,P):uint8 image_labels(N):uint8 table(V,K) iteration(1):int64"
    " seed:uint64 index_stream:uint32 noise_stream:uint32 label_stream:uint32",
    flops=lambda M, P, K, N, V: M * (2 * P + (WORD + 8) * K + 2 * WORD + 2),
    moved=lambda M, P, K, N, V: M * (5 * P + 12 * K + 9) + 4 * V * K + 8,
    kernels=_DRAWS,
    wide=("images",),
    most=MOST,
)
RECORD = Op(
    package=__name__,
    name="fused_record",
    signature="&ring(R,C) &counters(n):int64 <- losses(C) increments(n):int64",
    flops=lambda R, C, n: n,
    moved=lambda R, C, n: 8 * C + 24 * n,
    kernels=(
        Kernel("cpu"),
        Kernel("cuda", None, lambda R, C, n: one_block()),
    ),
)

OPS = (DRAW, DRAW_EMBEDDING, RECORD)
