"""Adam: one step over the flat buffer that holds all parameters of a network."""

from ..registry import Op

STEP = Op(
    package=__name__,
    name="adam_step",
    signature="&p(n) &m(n) &v(n) <- g(n) t(1):int64 learning_rate beta1 beta2 eps",
    flops=lambda n: 11 * n,
)

OPS = (STEP,)
