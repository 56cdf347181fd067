"""Batch normalisation: over the batch in training, by moving statistics in inference.

One block has all rows of 32 columns.  Of images the rows are many and the columns few, so that a GPU would
stand empty: there each training pass is two ops, of which the first leaves sums of parts of the rows.  So it is
where x has the rows of one of R ranks: what has been summed is exchanged between the two.  On a CPU threads
share the parts.
"""

from ..geometry import PLANE, Geometry, all_rows, ceil_div, plane
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


_PART = 64  # rows: eight steps of a block
_MOST = 64  # parts: two such columns of blocks fill a GPU, and each block adds up what all parts have left
_MANY = 512  # rows: with as many, one block takes longer than two launches


def parts(rows: int) -> int:
    """Into how many parts the rows are split; 1 where one block has them all."""
    return 1 if rows < _MANY else min(_MOST, ceil_div(rows, _PART))


def _per_part(S: int, C: int, **_: int) -> Geometry:
    """A block for each part of 32 columns."""
    return Geometry(S * ceil_div(C, PLANE[0]), PLANE)


MOMENTS = Op(
    package=__name__,
    name="batchnorm_moments",
    signature="means(S,C) squares(S,C) <- x(B,C)",
    flops=lambda S, C, B: 4 * B * C + S * C,
    kernels=one_version(_per_part),
)
NORMALISE = Op(
    package=__name__,
    name="batchnorm_normalise",
    signature="y(B,C) mean(C) rstd(C) &moving_mean(C) &moving_variance(C)"
    " <- x(B,C) moments(R,2,S,C) gamma(C) beta(C) eps momentum",
    flops=lambda B, C, R, S: 4 * B * C + 7 * R * S * C + 10 * C,
    kernels=one_version(_per_part),
)
SUMS = Op(
    package=__name__,
    name="batchnorm_sums",
    signature="dgammas(S,C) dbetas(S,C) <- dy(B,C) x(B,C) mean(C) rstd(C)",
    flops=lambda S, C, B: 5 * B * C,
    kernels=one_version(_per_part),
)
DX = Op(
    package=__name__,
    name="batchnorm_dx",
    signature="dx(B,C) dgamma(C) dbeta(C) <- dy(B,C) x(B,C) gamma(C) mean(C) rstd(C) dgammas(S,C) dbetas(S,C)",
    flops=lambda B, C, S: 8 * B * C + 2 * S * C,
    kernels=one_version(_per_part),
)

OPS = (FORWARD_TRAIN, FORWARD_INFERENCE, BACKWARD, MOMENTS, NORMALISE, SUMS, DX)
