"""Convolution of images with their channels last: three matrix products whose left operand is gathered.

``x (B,H,W,C)`` are images, ``w (R,R,C,N)`` weights, ``y (B,P,Q,N)`` is the result; ``stride`` and ``padding``
are sizes as the others are.  Any of them go together: beyond its ends an image is zero, and P and Q say how
much is wanted.  A transposed convolution is ``convolution_backward_input`` used forward.
"""

from ..dense import COLUMNS, K_TILE, MULTIPROCESSORS, ROUNDING, ROWS, SPLITS
from ..geometry import Geometry, ceil_div, plane
from ..registry import Kernel, Op, one_version

SIDE = 16  # split_k: a block's tile is SIDE x SIDE, whose K its SPLITS warps share

#: What the CUDA C++ needs of these; numba_cuda.py imports them.
CONSTANTS = {"ROWS": ROWS, "COLUMNS": COLUMNS, "K_TILE": K_TILE, "SIDE": SIDE, "SPLITS": SPLITS}

#: Versions in tiles -> rows and columns of a block's tile, and the block's threads (x, y).
_TILES = {
    "implicit_gemm": (ROWS, COLUMNS, (COLUMNS // 4, ROWS // 4)),  # a thread has 4 x 4 elements
    "split_k": (SIDE, SIDE, (32, SPLITS)),
    "tensor_core": (ROWS, COLUMNS, (32, 4)),  # a warp has 16 columns
    "tensor_core_3x": (ROWS, COLUMNS, (32, 4)),
}
_FEW = 8  # columns: of so few a tile has hardly any


def _tiles(version: str, rows: int, columns: int) -> int:
    tile_rows, tile_columns, _ = _TILES[version]
    return ceil_div(rows, tile_rows) * ceil_div(columns, tile_columns)


def choose(rows: int, columns: int, K: int, parts: int = 1) -> tuple[str, ...]:
    """The versions for ``parts`` outputs of (rows, columns), the best one first.

    A tile must have columns that share what is gathered.  Large tiles share more of it; but where they are too
    few to fill a GPU, split_k has eight small ones for each, and eight warps for each of these, provided that
    its K is a K-tile of 8 for every warp.  So it is with the gradient of a weight at any batch: images are its
    K, and it has no more elements than the weight.
    """
    if columns < _FEW:
        return ("naive",)
    few = parts * _tiles("implicit_gemm", rows, columns) < MULTIPROCESSORS
    return ("split_k",) if few and K >= SPLITS * 8 else ("implicit_gemm",)


def _product(name: str, signature: str, elements, product, parts=lambda **_: 1, backward=()) -> Op:
    """One of the three.

    Parameters
    ----------
    elements : sizes -> rows and columns of the output.
    product : sizes -> rows, columns and K of the matrix product; of each, if it falls into several ``parts``.
    """

    def tiles(version):
        def geometry(**sizes):
            rows, columns, _ = product(**sizes)
            return Geometry(parts(**sizes) * _tiles(version, rows, columns), _TILES[version][2])

        return geometry

    versions = {"naive": lambda **sizes: plane(*elements(**sizes))} | {v: tiles(v) for v in _TILES}
    cuda = (Kernel("cuda", v, geometry, ROUNDING.get(v, 0.0)) for v, geometry in versions.items())
    numba = (Kernel("numba_cuda", v, geometry) for v, geometry in versions.items() if v not in ROUNDING)
    return Op(
        package=__name__,
        name=name,
        signature=f"{signature} stride:size padding:size",
        flops=lambda B, P, Q, N, C, R, **_: 2 * B * P * Q * N * R * R * C,
        kernels=(Kernel("cpu"), *cuda, *numba),
        choose=lambda **sizes: choose(*product(**sizes), parts=parts(**sizes)),
        backward=backward,
        product=product,
    )


FORWARD = _product(
    name="convolution_forward",
    signature="y(B,P,Q,N) <- x(B,H,W,C) w(R,R,C,N)",
    elements=lambda B, P, Q, N, **_: (B * P * Q, N),
    product=lambda B, P, Q, N, C, R, **_: (B * P * Q, N, R * R * C),
    backward=("convolution_backward_input", "convolution_backward_weight"),
)
BACKWARD_INPUT = _product(
    name="convolution_backward_input",
    signature="dx(B,H,W,C) <- dy(B,P,Q,N) w(R,R,C,N)",
    elements=lambda B, H, W, C, **_: (B * H * W, C),
    product=lambda B, H, W, C, N, R, stride, **_: (
        B * ceil_div(H, stride) * ceil_div(W, stride),
        C,
        ceil_div(R, stride) ** 2 * N,
    ),
    parts=lambda stride, **_: stride**2,
)
BACKWARD_WEIGHT = _product(
    name="convolution_backward_weight",
    signature="dw(R,R,C,N) <- x(B,H,W,C) dy(B,P,Q,N)",
    elements=lambda R, C, N, **_: (R * R * C, N),
    product=lambda R, C, N, B, P, Q, **_: (R * R * C, N, B * P * Q),
)
BIAS_ADD = Op(
    package=__name__,
    name="bias_add",
    signature="&y(M,N) <- b(N)",
    flops=lambda M, N: M * N,
    backward=("dense_backward_bias",),
    kernels=one_version(lambda M, N: plane(M, N)),
)

OPS = (FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT, BIAS_ADD)
