"""Batch normalisation: over the batch in training, by moving statistics in inference."""

from ..geometry import all_rows, plane
from ..registry import Op, one_version

FORWARD_TRAIN = Op(
    package=__name__,
    name="batchnorm_forward_train",
    signature="y(B,C) mean(C) rstd(C) &moving_mean(C) &moving_variance(C)"
    " <- x(B,C) gamma(C) beta(C) eps momentum",
    flops=lambda B, C: 8 * B * C + 10 * C,
    backward=("batchnorm_backward",),
    kernels=one_version(lambda B, C: all_rows(C)),
)
FORWARD_INFERENCE = Op(
    package=__name__,
    name="batchnorm_forward_inference",
    signature="y(B,C) <- x(B,C) gamma(C) beta(C) moving_mean(C) moving_variance(C) eps",
    flops=lambda B, C: 4 * B * C + 3 * C,
    kernels=one_version(lambda B, C: plane(B, C)),
)
BACKWARD = Op(
    package=__name__,
    name="batchnorm_backward",
    signature="dx(B,C) dgamma(C) dbeta(C) <- dy(B,C) x(B,C) gamma(C) mean(C) rstd(C)",
    flops=lambda B, C: 11 * B * C + 3 * C,
    kernels=one_version(lambda B, C: all_rows(C)),
)

OPS = (FORWARD_TRAIN, FORWARD_INFERENCE, BACKWARD)
