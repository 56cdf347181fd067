"""The same products by those who have worked on them for decades: BLAS through NumPy, cuBLAS, PyTorch.

They compute the product alone; ``dense_forward`` adds the bias too, which they are spared.  So their results
are checked with a bias of zero.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from cgan_raw.kernels.registry import Op

from .device import Cpu, Gpu
from .results import reason

#: Op -> the two factors, from its arguments without the destination.
_FACTORS: dict[str, Callable] = {
    "dense_forward": lambda x, w, b: (x, w),
    "dense_backward_input": lambda dy, w: (dy, w.T),
    "dense_backward_weight": lambda x, dy: (x.T, dy),
}

Multiply = Callable[[Any, Any, Any], None]  #: of (out, left, right)


class Expert(NamedTuple):
    """A row of a table: its label, and the op as a function of the op's arguments, as ``adapt`` makes them of
    the place's arrays."""

    label: str
    precision: str
    function: Callable
    adapt: Callable


def experts(op: Op, place: Cpu | Gpu) -> list[Expert]:
    """Who else computes an op at a place; nobody, unless it is a product."""
    if op.name not in _FACTORS:
        return []
    found = _on_cpu() if place.name == "cpu" else _on_gpu(place)
    factors = _FACTORS[op.name]

    def as_op(multiply: Multiply) -> Callable:
        return lambda out, *inputs: multiply(out, *factors(*inputs))

    return [expert._replace(function=as_op(expert.function)) for expert in found]


def _on_cpu() -> list[Expert]:
    return [Expert("NumPy", "float32", lambda out, left, right: np.matmul(left, right, out=out), _as_it_is)]


def _on_gpu(place: Gpu) -> list[Expert]:
    found = []
    if cublas_fault(place) is None:
        found += [
            Expert("cuBLAS", "float32", cublas("float32", place.stream), _as_it_is),
            Expert("cuBLAS TF32", "TF32", cublas("TF32", place.stream), _as_it_is),
        ]
    if _torch_fault() is None:
        import torch

        torch.cuda.set_stream(torch.cuda.ExternalStream(place.stream.ptr))
        found += [
            Expert("torch.matmul", "float32", _torch_matmul("highest"), torch.from_dlpack),
            Expert("torch.matmul TF32", "TF32", _torch_matmul("high"), torch.from_dlpack),
        ]
    return found


def skipped_experts(place: Cpu | Gpu) -> dict[str, str]:
    """Who else could multiply at a place but is not there, and why."""
    faults = {} if place.name == "cpu" else {"cuBLAS": cublas_fault(place), "torch.matmul": _torch_fault()}
    return {label: fault for label, fault in faults.items() if fault is not None}


@cache
def cublas_fault(place: Gpu) -> str | None:
    """What keeps cuBLAS from multiplying, or None if nothing does.  It tries once."""
    try:
        left, right, out = (place.array(np.ones((16, 16), np.float32)) for _ in range(3))
        for precision in ("float32", "TF32"):
            cublas(precision, place.stream)(out, left, right)
        place.stream.synchronize()
    except Exception as error:  # of the import, or of a library that is only looked for when it is called
        return reason(error)
    return None


@cache
def _torch_fault() -> str | None:
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    try:
        import torch

        return None if torch.cuda.is_available() else "this build of torch finds no GPU"
    except Exception as error:  # whatever a library that it does not find leads to
        return reason(error)


def _as_it_is(array):
    return array


def cublas(precision: str, stream) -> Multiply:
    """cuBLAS through CuPy on one of its streams, in ``"float32"`` or ``"TF32"``."""
    from cupy._core import _routines_linalg as linalg

    kind = {"float32": linalg.COMPUTE_TYPE_FP32, "TF32": linalg.COMPUTE_TYPE_TF32}[precision]

    def multiply(out, left, right) -> None:
        linalg.set_compute_type(np.float32, kind)
        with stream:  # a library of CuPy's: there is no other way to tell it
            left.dot(right, out)  # into out; matmul makes another array and copies it

    return multiply


def _torch_matmul(precision: str) -> Multiply:
    import torch

    def multiply(out, left, right) -> None:
        torch.set_float32_matmul_precision(precision)
        torch.matmul(left, right, out=out)

    return multiply
