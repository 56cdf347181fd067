"""Arguments for a call of any op, drawn by their names: for tests, benchmarks and traces of kernels.

make_arguments(ops()["dense_forward"], {"M": 32, "N": 784, "K": 1024}, np.random.default_rng(0))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .kernels.registry import Argument, Op

_POISON = 0xA5  # each byte of an integer that nobody has written


def _uniform(low: float, high: float) -> Callable:
    return lambda rng, shape, sizes: rng.uniform(low, high, shape)


def _integers(low: int, high: int, dtype: type = np.int64) -> Callable:
    return lambda rng, shape, sizes: rng.integers(low, high, shape, dtype)


def _away_from_zero(rng, shape, sizes):
    """Normals moved 0.1 outward: no difference quotient straddles the kink of LeakyReLU."""
    x = rng.standard_normal(shape)
    return x + np.copysign(0.1, x)


def _often_zero(rng, shape, sizes):
    return rng.standard_normal(shape) * (rng.random(shape) < 0.75)


#: How an input is drawn, by its name: (generator, shape or None for a scalar, sizes) -> value.  An array
#: without a rule is standard normal, or of any value its integer type has; a scalar must have one.
_RULES: dict[str, Callable] = {
    "x": _away_from_zero,
    "labels": lambda rng, shape, sizes: rng.integers(0, sizes.get("V", 10), shape),
    "indices": lambda rng, shape, sizes: rng.integers(0, sizes["N"], shape),
    "image_labels": lambda rng, shape, sizes: rng.integers(0, sizes["V"], shape),
    "mask": _integers(0, 2),
    "x_mask": _integers(0, 2),
    "iteration": _integers(1, 2**40),
    "t": _integers(1, 20),  # the bias corrections are felt
    "g": _often_zero,
    "rstd": _uniform(0.5, 2),
    **dict.fromkeys(("v", "w_v", "b_v", "gamma_v", "beta_v", "table_v"), _uniform(0.1, 2)),
    "moving_variance": _uniform(0.1, 2),
    "moments": _uniform(0.1, 2),
    "seed": _integers(0, 2**64, np.uint64),
    **dict.fromkeys(("stream", "index_stream", "noise_stream", "label_stream"), _integers(0, 2**32)),
    "counters": _integers(0, 2**40),
    "high": _integers(1, 2**31),
    "first": _integers(0, 2**28),
    "target": lambda rng, shape, sizes: rng.integers(0, 2),
    "slope": _uniform(0.05, 0.5),
    "rate": _uniform(0.1, 0.6),
    "limit": _uniform(0.05, 1),
    "eps": _uniform(1e-4, 1e-2),
    "momentum": _uniform(0.5, 0.95),
    "learning_rate": _uniform(0.01, 0.1),  # the step shows beside the parameter
    "beta1": _uniform(0.3, 0.9),
    "beta2": _uniform(0.9, 0.999),
}


def make_arguments(
    op: Op, sizes: Mapping[str, int], rng: np.random.Generator, real: type = np.float32, **given: Any
) -> dict[str, Any]:
    """Valid arguments for one call of an op, by name and in calling order.

    Parameters
    ----------
    sizes : a value for each of ``op.dims``; others are ignored.  A scalar that is a size has its value there.
    real : the scalar type of the build, float32 or float64.
    given : values that are not to be drawn; arrays are cast to the dtype of the signature.

    Returns
    -------
    dict : host arrays, integers and Python floats (of ``real`` scalars, such as float32 holds).  Arrays that
        the op writes without reading are filled with NaN, or with a poison value where they hold integers.

    Raises
    ------
    ValueError : a scalar that has no rule, or a given value that is not in the signature or of another shape.
    """
    strange = set(given) - {a.name for a in op.arguments}
    if strange:
        raise ValueError(f"{op.name} takes no {', '.join(sorted(strange))}")
    return {a.name: _value(op, a, sizes, rng, np.dtype(real), given) for a in op.arguments}


def _value(op: Op, argument: Argument, sizes, rng, real: np.dtype, given) -> Any:
    dtype = real if argument.dtype == "real" else np.dtype(argument.dtype)
    shape = None if argument.dims is None else argument.shape(sizes)
    if argument.name in given:
        value = given[argument.name]
    elif argument.size:
        value = sizes[argument.name]
    elif argument.role == "out":
        value = poisoned(shape, dtype)
    elif argument.name in _RULES:
        value = _RULES[argument.name](rng, shape, sizes)
    elif shape is None:
        raise ValueError(f"no rule draws the scalar {argument.name} of {op.name}: it needs one in _RULES")
    elif dtype.kind == "f":
        value = rng.standard_normal(shape)
    else:
        limits = np.iinfo(dtype)
        value = rng.integers(max(limits.min, -(2**40)), min(limits.max, 2**40), shape, endpoint=True)
    if shape is not None:
        if np.shape(value) != shape:
            raise ValueError(f"{argument.name} of {op.name} is {shape}, not {np.shape(value)}")
        return np.ascontiguousarray(value, dtype)
    if dtype.kind == "f":
        return float(np.float32(value)) if argument.dtype == "real" else float(value)
    return np.uint64(value) if argument.dtype == "uint64" else int(value)


def poisoned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array as if nobody had written it: NaN, or an unlikely integer."""
    array = np.empty(shape, dtype)
    if dtype.kind == "f":
        array.fill(np.nan)
    else:
        array.reshape(-1).view(np.uint8).fill(_POISON)
    return array
