"""Label conditioning: each row of x is multiplied by the embedding of its label."""

from ..geometry import plane
from ..registry import Op, one_version

FORWARD = Op(
    package=__name__,
    name="embedding_forward",
    signature="y(B,C) <- x(B,C) table(V,C) labels(B):int32",
    flops=lambda B, C, V: B * C,
    backward=("embedding_backward_input", "embedding_backward_table"),
    kernels=one_version(lambda B, C, V: plane(B, C)),
)
BACKWARD_INPUT = Op(
    package=__name__,
    name="embedding_backward_input",
    signature="dx(B,C) <- dy(B,C) table(V,C) labels(B):int32",
    flops=lambda B, C, V: B * C,
    kernels=one_version(lambda B, C, V: plane(B, C)),
)
BACKWARD_TABLE = Op(
    package=__name__,
    name="embedding_backward_table",
    signature="dtable(V,C) <- dy(B,C) x(B,C) labels(B):int32",
    flops=lambda B, C, V: 2 * B * C,
    kernels=one_version(lambda V, C, B: plane(V, C)),
)

OPS = (FORWARD, BACKWARD_INPUT, BACKWARD_TABLE)
