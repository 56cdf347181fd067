"""The dense layer y = x w + b: three matrix products and a column sum."""

from ..registry import Op

FORWARD = Op(
    package=__name__,
    name="dense_forward",
    signature="y(M,N) <- x(M,K) w(K,N) b(N)",
    flops=lambda M, N, K: 2 * M * K * N + M * N,
    backward=("dense_backward_input", "dense_backward_weight", "dense_backward_bias"),
)
BACKWARD_INPUT = Op(
    package=__name__,
    name="dense_backward_input",
    signature="dx(M,K) <- dy(M,N) w(K,N)",
    flops=lambda M, N, K: 2 * M * K * N,
)
BACKWARD_WEIGHT = Op(
    package=__name__,
    name="dense_backward_weight",
    signature="dw(K,N) <- x(M,K) dy(M,N)",
    flops=lambda M, N, K: 2 * M * K * N,
)
BACKWARD_BIAS = Op(
    package=__name__,
    name="dense_backward_bias",
    signature="db(N) <- dy(M,N)",
    flops=lambda M, N: M * N,
)

OPS = (FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT, BACKWARD_BIAS)
