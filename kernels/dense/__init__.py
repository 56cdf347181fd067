"""The dense layer y = x w + b: three matrix products and a column sum.

On a GPU each product has a ladder of versions, of which each adds one idea to the one before it, and two
branches: for few rows, and for the tensor cores.  :func:`choose` picks one by shape.
"""

from ..geometry import Geometry, all_rows, ceil_div
from ..registry import Kernel, Op, one_version

TILE = 16  # tiled: a block's tile of the output is TILE x TILE, and it takes TILE of K at a time
ROWS, COLUMNS, K_TILE = 32, 64, 16  # register_tiled, vectorised: a block's tile, and how much of K at a time
SPLITS = 8  # split_k: warps that share the K of a 32 x 8 tile

TF32_ROUNDING = 2.0**-10  # of a product: each factor to 11 significant bits, off by 2^-11 of itself at most

#: What the CUDA C++ needs of these; numba_cuda.py imports them.
CONSTANTS = {"TILE": TILE, "ROWS": ROWS, "COLUMNS": COLUMNS, "K_TILE": K_TILE, "SPLITS": SPLITS}

#: Version -> rows and columns of a block's tile, and the block's threads (x, y).
_TILES = {
    "uncoalesced": (32, 8, (32, 8)),
    "naive": (8, 32, (32, 8)),
    "tiled": (TILE, TILE, (TILE, TILE)),
    "register_tiled": (ROWS, COLUMNS, (COLUMNS // 4, ROWS // 4)),
    "vectorised": (ROWS, COLUMNS, (COLUMNS // 4, ROWS // 4)),
    "split_k": (32, 8, (32, SPLITS)),
    "tensor_core": (32, 32, (32, 4)),
}

#: What Numba CUDA cannot say: it has no access of 16 bytes to an array of floats, and no mma.
_CUDA_ONLY = ("vectorised", "tensor_core")


def choose(rows: int, columns: int, K: int) -> tuple[str, ...]:
    """The versions for an output of (rows, columns): few rows make too few wide tiles to fill a GPU."""
    return ("split_k",) if rows <= 32 else ("vectorised", "register_tiled")


def _versions(sizes) -> tuple[Kernel, ...]:
    """The kernels of a product; ``sizes`` maps the op's sizes to (rows, columns, K)."""

    def geometry(version):
        tile_rows, tile_columns, block = _TILES[version]

        def tiles(**named):
            rows, columns, _ = sizes(**named)
            return Geometry(ceil_div(rows, tile_rows) * ceil_div(columns, tile_columns), block)

        return tiles

    rounding = {"tensor_core": TF32_ROUNDING}
    cuda = (Kernel("cuda", version, geometry(version), rounding.get(version, 0.0)) for version in _TILES)
    numba = (Kernel("numba_cuda", v, geometry(v)) for v in _TILES if v not in _CUDA_ONLY)
    return (Kernel("cpu"), *cuda, *numba)


def _product(name: str, signature: str, sizes, extra_flops=lambda **_: 0, backward=()) -> Op:
    return Op(
        package=__name__,
        name=name,
        signature=signature,
        flops=lambda M, N, K: 2 * M * N * K + extra_flops(M=M, N=N),
        kernels=_versions(sizes),
        choose=lambda **named: choose(*sizes(**named)),
        backward=backward,
        product=sizes,
    )


FORWARD = _product(
    name="dense_forward",
    signature="y(M,N) <- x(M,K) w(K,N) b(N)",
    sizes=lambda M, N, K: (M, N, K),
    extra_flops=lambda M, N: M * N,
    backward=("dense_backward_input", "dense_backward_weight", "dense_backward_bias"),
)
BACKWARD_INPUT = _product(
    name="dense_backward_input",
    signature="dx(M,K) <- dy(M,N) w(K,N)",
    sizes=lambda M, N, K: (M, K, N),
)
BACKWARD_WEIGHT = _product(
    name="dense_backward_weight",
    signature="dw(K,N) <- x(M,K) dy(M,N)",
    sizes=lambda M, N, K: (K, N, M),
)
BACKWARD_BIAS = Op(
    package=__name__,
    name="dense_backward_bias",
    signature="db(N) <- dy(M,N)",
    flops=lambda M, N: M * N,
    kernels=one_version(lambda M, N: all_rows(N)),
)

OPS = (FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT, BACKWARD_BIAS)
