"""Convolution of images with their channels last: three matrix products whose left operand is gathered.

``x (B,H,W,C)`` are images, ``w (R,R,C,N)`` weights, ``y (B,P,Q,N)`` is the result; ``stride`` and ``padding``
are sizes as the others are.  Any of them go together: beyond its ends an image is zero, and P and Q say how
much is wanted.  A transposed convolution is ``convolution_backward_input`` used forward.
"""

from ..dense import COLUMNS, K_TILE, ROUNDING, ROWS
from ..geometry import Geometry, ceil_div, plane
from ..registry import Kernel, Op, one_version

#: What the CUDA C++ needs of these; numba_cuda.py imports them.
CONSTANTS = {"ROWS": ROWS, "COLUMNS": COLUMNS, "K_TILE": K_TILE}

#: Versions in tiles of ROWS x COLUMNS, and the block's threads (x, y).
_TILES = {
    "implicit_gemm": (COLUMNS // 4, ROWS // 4),  # a thread has 4 x 4 elements
    "tensor_core": (32, 4),  # a warp has 16 columns
    "tensor_core_3x": (32, 4),
}
_FEW = 8  # columns: of so few a tile has hardly any


def choose(rows: int, columns: int, K: int) -> tuple[str, ...]:
    """The versions for an output of (rows, columns): a tile must have columns that share what is gathered."""
    return ("naive",) if columns < _FEW else ("implicit_gemm",)


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
            return Geometry(parts(**sizes) * ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS), _TILES[version])

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
        choose=lambda **sizes: choose(*product(**sizes)),
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
