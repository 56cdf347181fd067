"""Adam: one step over the flat buffer that holds all parameters of a network."""

from ..geometry import line
from ..registry import Op, one_version

STEP = Op(
    package=__name__,
    name="adam_step",
    signature="&p(n) &m(n) &v(n) <- g(n) t(1):int64"
    " learning_rate:float64 beta1:float64 beta2:float64 eps:float64",
    flops=lambda n: 11 * n,
    kernels=one_version(lambda n: line(n)),
)

OPS = (STEP,)
