"""The same products by those who have worked on them for decades: BLAS through NumPy, cuBLAS, PyTorch.

They compute the product alone; ``dense_forward`` adds the bias too, which they are spared.  So their results
are checked with a bias of zero.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from cgan_raw.kernels.registry import Op

from .device import Cpu, Gpu

#: Op -> the two factors, from its arguments without the destination.
_FACTORS: dict[str, Callable] = {
    "dense_forward": lambda x, w, b: (x, w),
    "dense_backward_input": lambda dy, w: (dy, w.T),
    "dense_backward_weight": lambda x, dy: (x.T, dy),
}

Multiply = Callable  #: (out, left, right) -> None


class Expert(NamedTuple):
    """A row of a table: its label, and the op as a function of the op's arguments."""

    label: str
    precision: str
    function: Callable


def experts(op: Op, place: Cpu | Gpu) -> list[Expert]:
    """Who else computes an op at a place; nobody, unless it is a product."""
    if op.name not in _FACTORS:
        return []
    multiplies = _on_cpu() if place.name == "cpu" else _on_gpu(place)
    factors = _FACTORS[op.name]

    def as_op(multiply: Multiply) -> Callable:
        return lambda out, *inputs: multiply(out, *factors(*inputs))

    return [Expert(label, precision, as_op(multiply)) for label, precision, multiply in multiplies]


def _on_cpu() -> list[tuple[str, str, Multiply]]:
    return [("NumPy", "float32", lambda out, left, right: np.matmul(left, right, out=out))]


def _on_gpu(place: Gpu) -> list[tuple[str, str, Multiply]]:
    found = [("cuBLAS", "float32", cublas("float32")), ("cuBLAS TF32", "TF32", cublas("TF32"))]
    if importlib.util.find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_stream(torch.cuda.ExternalStream(place.stream.ptr))
            found += [
                ("torch.matmul", "float32", _torch_matmul("highest")),
                ("torch.matmul TF32", "TF32", _torch_matmul("high")),
            ]
    return found


def cublas(precision: str) -> Multiply:
    """cuBLAS through CuPy, in ``"float32"`` or ``"TF32"``."""
    import cupy
    from cupy._core import _routines_linalg as linalg

    kind = {"float32": linalg.COMPUTE_TYPE_FP32, "TF32": linalg.COMPUTE_TYPE_TF32}[precision]

    def multiply(out, left, right) -> None:
        linalg.set_compute_type(np.float32, kind)
        cupy.dot(left, right, out)  # into out; cupy.matmul makes another array and copies it

    return multiply


def _torch_matmul(precision: str) -> Multiply:
    import torch

    def multiply(out, left, right) -> None:
        torch.set_float32_matmul_precision(precision)
        torch.matmul(torch.from_dlpack(left), torch.from_dlpack(right), out=torch.from_dlpack(out))

    return multiply
