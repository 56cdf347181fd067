"""Activations: LeakyReLU and tanh, elementwise."""

from ..geometry import line
from ..registry import Op, one_version

LEAKY_RELU_FORWARD = Op(
    package=__name__,
    name="leaky_relu_forward",
    signature="y(B,C) <- x(B,C) slope",
    flops=lambda B, C: B * C,
    backward=("leaky_relu_backward",),
    kernels=one_version(lambda B, C: line(B * C)),
)
LEAKY_RELU_BACKWARD = Op(
    package=__name__,
    name="leaky_relu_backward",
    signature="dx(B,C) <- dy(B,C) x(B,C) slope",
    flops=lambda B, C: B * C,
    kernels=one_version(lambda B, C: line(B * C)),
)
TANH_FORWARD = Op(
    package=__name__,
    name="tanh_forward",
    signature="y(B,C) <- x(B,C)",
    flops=lambda B, C: B * C,
    backward=("tanh_backward",),
    kernels=one_version(lambda B, C: line(B * C)),
)
TANH_BACKWARD = Op(
    package=__name__,
    name="tanh_backward",
    signature="dx(B,C) <- dy(B,C) y(B,C)",
    flops=lambda B, C: 3 * B * C,
    kernels=one_version(lambda B, C: line(B * C)),
)

OPS = (LEAKY_RELU_FORWARD, LEAKY_RELU_BACKWARD, TANH_FORWARD, TANH_BACKWARD)
