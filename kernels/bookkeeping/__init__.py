"""Bookkeeping that stays on the device: counting iterations, and keeping losses until the host asks."""

from ..geometry import line
from ..registry import Op, one_version

ADVANCE = Op(
    package=__name__,
    name="counters_advance",
    signature="&counters(n):int64 <- increments(n):int64",
    flops=lambda n: n,
    kernels=one_version(lambda n: line(n)),
)
RECORD = Op(
    package=__name__,
    name="losses_record",
    signature="&ring(R,C) <- losses(C) iteration(1):int64",
    flops=lambda R, C: 0,
    moved=lambda R, C: 8 * C + 8,
    kernels=one_version(lambda R, C: line(C)),
)

OPS = (ADVANCE, RECORD)
