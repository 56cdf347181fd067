"""The dense layer y = x w + b: three matrix products and a column sum.

On a GPU each product has a ladder of seven versions, of which each adds one idea to the one before it, and two
branches: split_k, for few rows, and the tensor cores.  :func:`choose` picks one by shape.
"""

from ..geometry import Geometry, all_rows, ceil_div
from ..registry import Kernel, Op, one_version

TILE = 16  # tiled: a block's tile of the output is TILE x TILE, and it takes TILE of K at a time
ROWS, COLUMNS, K_TILE = 32, 64, 16  # register_tiled, vectorised: a block's tile, and how much of K at a time
LARGE = 128  # warp_tiled, double_buffered: a block's tile is LARGE x LARGE
SPLITS = 8  # split_k: warps that share the K of a 32 x 8 tile

#: Relative error of a product of rounded factors.  To 11 significant bits, each is off by 2^-11 of itself at
#: most; to two parts of 11 bits, by 2^-23, and the product of the small parts, 2^-22, is left out.
ROUNDING = {"tensor_core": 2.0**-10, "tensor_core_3x": 2.0**-21}

#: What the CUDA C++ needs of these; numba_cuda.py imports them.
CONSTANTS = {
    "TILE": TILE,
    "ROWS": ROWS,
    "COLUMNS": COLUMNS,
    "K_TILE": K_TILE,
    "LARGE": LARGE,
    "SPLITS": SPLITS,
}

#: Version -> rows and columns of a block's tile, and the block's threads (x, y).
_TILES = {
    "uncoalesced": (32, 8, (32, 8)),
    "naive": (8, 32, (32, 8)),
    "tiled": (TILE, TILE, (TILE, TILE)),
    "register_tiled": (ROWS, COLUMNS, (COLUMNS // 4, ROWS // 4)),
    "vectorised": (ROWS, COLUMNS, (COLUMNS // 4, ROWS // 4)),
    "warp_tiled": (LARGE, LARGE, (32, 8)),
    "double_buffered": (LARGE, LARGE, (32, 8)),
    "split_k": (32, 8, (32, SPLITS)),
    "tensor_core": (32, 32, (32, 4)),
    "tensor_core_3x": (32, 32, (32, 4)),
}

#: What Numba CUDA cannot say: it has no access of 16 bytes to an array of floats, and no mma.
_CUDA_ONLY = ("vectorised", "warp_tiled", "double_buffered", *ROUNDING)


#: How many large tiles fill a GPU: one for each multiprocessor of an H100.
MULTIPROCESSORS = 132


def choose(rows: int, columns: int, K: int) -> tuple[str, ...]:
    """The versions for an output of (rows, columns), the best one first.

    Few rows make too few tiles to fill a GPU, and the warps of a block share K instead; many rows and columns
    fill it with large tiles.  These are double_buffered's, never warp_tiled's: its tiles are the same, and it
    waits for each of them, which double_buffered is there to save.
    """
    if rows <= 32:
        return ("split_k",)
    large = ceil_div(rows, LARGE) * ceil_div(columns, LARGE) >= MULTIPROCESSORS
    return (*("double_buffered",) * large, "vectorised", "register_tiled")


def _versions(sizes) -> tuple[Kernel, ...]:
    """The kernels of a product; ``sizes`` maps the op's sizes to (rows, columns, K)."""

    def geometry(version):
        tile_rows, tile_columns, block = _TILES[version]

        def tiles(**named):
            rows, columns, _ = sizes(**named)
            return Geometry(ceil_div(rows, tile_rows) * ceil_div(columns, tile_columns), block)

        return tiles

    cuda = (Kernel("cuda", version, geometry(version), ROUNDING.get(version, 0.0)) for version in _TILES)
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
