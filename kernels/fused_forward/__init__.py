"""A dense layer with all that stands before the next one, in one pass: forward.

Each op is a product with an epilogue, one of them with a prologue too; the reference says of which layers it is
made.  A GPU's block owns columns of y with all their rows, so batch normalisation's statistics never leave it.
"""

from collections.abc import Callable

from ..dense import ROUNDING
from ..geometry import Geometry, ceil_div
from ..registry import Kernel, Op

#: The largest mini-batch, and the longest embedding.  Kernels walk the rows 32 at a time; with more of them the
#: layered ops fill a device better.
MOST = {"M": 256, "V": 32}

ROWS, COLUMNS = 32, 8  # of a block's tile, and its threads, one for each element

#: What cuda.cu needs of these.
CONSTANTS = {"ROWS": ROWS, "COLUMNS": COLUMNS}


#: The same kernels, whose products are made on the tensor cores: in how many parts each factor is then.
BUILDS = {"tensor_core": {"PARTS": 1}, "tensor_core_3x": {"PARTS": 3}}


def in_cuda(geometry: Callable[..., Geometry]) -> tuple[Kernel, ...]:
    """The versions in CUDA C++."""
    builds = (Kernel("cuda", version, geometry, ROUNDING[version]) for version in BUILDS)
    return (Kernel("cuda", None, geometry), *builds)


def blocks_of(columns: int) -> Geometry:
    """A block for every 8 columns, with all their rows."""
    return Geometry(ceil_div(columns, COLUMNS), (COLUMNS, ROWS))


def most(signature: str) -> dict[str, int]:
    """Of the sizes that a signature has."""
    return {dim: limit for dim, limit in MOST.items() if f"({dim}," in signature or f",{dim}," in signature}


def _product(name: str, signature: str, epilogue: int, halves: int = 1, prologue: int = 0) -> Op:
    """``epilogue`` and ``prologue`` are operations for each element of y and of x."""

    def flops(M: int, N: int, K: int, V: int = 0) -> int:
        return halves * M * (2 * N * K + epilogue * N + prologue * K)

    kernels = (Kernel("cpu"), *in_cuda(lambda N, **_: blocks_of(N)))
    return Op(
        package=__name__, name=name, signature=signature, flops=flops, kernels=kernels, most=most(signature)
    )


LEAKY_RELU = _product("fused_forward_leaky_relu", "y(M,N) <- x(M,K) w(K,N) b(N) slope", epilogue=2)
EMBEDDING = _product(
    "fused_forward_embedding",
    "y(M,N) <- x(M,K) table(V,K) labels(M):int32 w(K,N) b(N) slope",
    epilogue=2,
    prologue=1,
)
DROPOUT = _product(
    "fused_forward_dropout",
    "y(M,N) mask(M,N):uint8 <- x(M,K) w(K,N) b(N) iteration(1):int64 slope seed:uint64 stream:uint32 rate",
    epilogue=29,
)
BATCHNORM = _product(
    "fused_forward_batchnorm",
    "y(2,M,N) r(M,N) mean(N) rstd(N) &moving_mean(N) &moving_variance(N)"
    " <- x(2,M,K) w(K,N) b(N) gamma(N) beta(N) slope eps momentum",
    epilogue=8,
    halves=2,
)
TANH = _product("fused_forward_tanh", "y(M,N) <- x(M,K) w(K,N) b(N)", epilogue=2)

OPS = (LEAKY_RELU, EMBEDDING, DROPOUT, BATCHNORM, TANH)
