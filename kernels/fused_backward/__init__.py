"""A dense layer's backward pass with Adam, and what lies below it, in one pass over its weight.

``fused_train_`` ops update the layer: the gradient at its input comes from the weight as it was, then the
weight, with its moments m and v, is moved, and its gradient is never stored.  ``fused_backward_`` ops leave it
alone.  Both carry the gradient on through what stands between the dense layer below and this one, which the
name tells, so dx is the gradient at the output of the product below.  ``head`` is the discriminator's last
layer, with one column, and the loss: a prologue of the layer below it.
"""

from ..fused_forward import BUILDS, CONSTANTS, blocks_of, in_cuda, most
from ..registry import Kernel, Op

__all__ = ["BUILDS", "CONSTANTS", "OPS"]  # what cuda.cu needs is the forward ops' too

#: A block owns 8 rows of w, and so 8 columns of dx.
_KERNELS = (Kernel("cpu"), *in_cuda(lambda K, **_: blocks_of(K)))

#: Adam's operations for each parameter.
_ADAM = 11

_ADAM_SCALARS = "learning_rate:float64 beta1:float64 beta2:float64 eps:float64"


def _trained(*parameters: str) -> str:
    """Destinations: each parameter and its moments, ``w(K,N)`` -> ``&w(K,N) &w_m(K,N) &w_v(K,N)``."""
    words = (parameter.partition("(") for parameter in parameters)
    return " ".join(f"&{name}({dims} &{name}_m({dims} &{name}_v({dims}" for name, _, dims in words)


def _product(name: str, signature: str, epilogue: int, prologue: int = 0) -> Op:
    """``epilogue`` and ``prologue`` are operations for each element of dx and of dy."""

    def flops(M: int, N: int, K: int, V: int = 0) -> int:
        return M * (2 * N * K + epilogue * K + prologue * N)

    return Op(
        package=__name__, name=name, signature=signature, flops=flops, kernels=_KERNELS, most=most(signature)
    )


def _update(name: str, signature: str, epilogue: int, prologue: int = 0, products: int = 2) -> Op:
    """The same with the update; ``products`` are two where the gradient at the input is asked for."""

    def flops(M: int, N: int, K: int, V: int = 0) -> int:
        return M * (products * 2 * N * K + epilogue * K + (prologue + 1) * N) + _ADAM * (K * N + N + V * K)

    return Op(
        package=__name__, name=name, signature=signature, flops=flops, kernels=_KERNELS, most=most(signature)
    )


_HEAD = "y(M,N) mask(M,N):uint8 head_w(N,1) head_b(1)"

BACKWARD_HEAD = _product(
    "fused_backward_head",
    f"loss(1) accuracy(1) dx(M,K) <- {_HEAD} w(K,N) x(M,K) x_mask(M,K):uint8 target slope rate",
    epilogue=2,
    prologue=5,
)
BACKWARD_LEAKY_RELU = _product(
    "fused_backward_leaky_relu", "dx(M,K) <- dy(M,N) w(K,N) x(M,K) slope", epilogue=1
)
BACKWARD_TANH = _product("fused_backward_tanh", "dx(M,K) <- dy(M,N) w(K,N) x(M,K)", epilogue=3)
BACKWARD_EMBEDDING = _product(
    "fused_backward_embedding",
    "dx(M,K) <- dy(M,N) w(K,N) x(M,K) table(V,K) labels(M):int32",
    epilogue=4,
)

TRAIN_HEAD = _update(
    "fused_train_head",
    f"loss(1) accuracy(1) dlogits(M,1) dx(M,K) {_trained('w(K,N)', 'b(N)')}"
    f" <- {_HEAD} x(M,K) x_mask(M,K):uint8 t(1):int64 target slope rate {_ADAM_SCALARS}",
    epilogue=2,
    prologue=5,
)
TRAIN_LEAKY_RELU = _update(
    "fused_train_leaky_relu",
    f"dx(M,K) {_trained('w(K,N)', 'b(N)')} <- dy(M,N) x(M,K) t(1):int64 slope {_ADAM_SCALARS}",
    epilogue=1,
)
TRAIN_BATCHNORM = _update(
    "fused_train_batchnorm",
    f"dx(M,K) {_trained('w(K,N)', 'b(N)', 'gamma(K)', 'beta(K)')}"
    f" <- dy(M,N) x(M,K) r(M,K) mean(K) rstd(K) t(1):int64 slope {_ADAM_SCALARS}",
    epilogue=12,
)
TRAIN_EMBEDDING = _update(
    "fused_train_embedding",
    f"{_trained('w(K,N)', 'b(N)', 'table(V,K)')} <- dy(M,N) x(M,K) labels(M):int32 t(1):int64 {_ADAM_SCALARS}",
    epilogue=3,
)
TRAIN_DENSE = _update(
    "fused_train_dense",
    f"{_trained('w(K,N)', 'b(N)')} <- dy(M,N) x(M,K) t(1):int64 {_ADAM_SCALARS}",
    epilogue=0,
    products=1,
)

OPS = (
    BACKWARD_HEAD,
    BACKWARD_LEAKY_RELU,
    BACKWARD_TANH,
    BACKWARD_EMBEDDING,
    TRAIN_HEAD,
    TRAIN_LEAKY_RELU,
    TRAIN_BATCHNORM,
    TRAIN_EMBEDDING,
    TRAIN_DENSE,
)
