"""How kernels are proven: comparison with the reference, and gradients by differences.

Tests and benchmarks share this module.  It knows nothing of any backend: an implementation is a callable that
takes an op's arguments in the order of its signature, and a :class:`Device` says how arrays reach the place it
runs.

    arguments = make_arguments(op, {"B": 32, "C": 512}, rng)
    assert_matches_reference(op, op.implementation("cpu"), arguments)
    gradcheck(op, implementations("cpu"), {"B": 4, "C": 5}, rng)

Comparisons are written ``not (error <= tolerance)``: a NaN passes ``error > tolerance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from .arguments import make_arguments, poisoned
from .kernels.registry import Op, ops

_BAND = 128  # elements: a guard band is a multiple of it, so that what it guards stays aligned
_SIGNALLING_NAN = {np.dtype(np.float32): 0x7FA5A5A5, np.dtype(np.float64): 0x7FF5A5A5A5A5A5A5}

#: atol and rtol of anything that is not a long sum.
_TOLERANCES = {np.dtype(np.float32): (1e-6, 1e-4), np.dtype(np.float64): (1e-12, 1e-10)}

_STEP = 1e-6  # of central differences: truncation and rounding both stay below 1e-9
_FULL_JACOBIAN = 64  # elements; larger arrays are checked along random directions
_DIRECTIONS = 3


@dataclass(frozen=True)
class Device:
    """Where an implementation's arrays live: the way there and back for a contiguous 1-D array.

    What ``to_device`` returns must allow slicing and ``reshape``.
    """

    to_device: Callable[[np.ndarray], Any] = lambda array: array
    to_host: Callable[[Any], np.ndarray] = lambda array: array


HOST = Device()


def implementations(backend: str) -> dict[str, Callable]:
    """Every op's function of a backend that has one version an op, by op name."""
    return {name: op.implementation(backend) for name, op in ops().items()}


# Calling ----------------------------------------------------------------------------------------------------


class _Guarded:
    """A copy of an array in the middle of a buffer, between two guard bands of poison at least one row long.

    A read outside meets a NaN and a write outside changes a band, even one that updates what it reads there:
    arithmetic turns a signalling NaN into a quiet one.
    """

    def __init__(self, array: np.ndarray):
        self.shape, self.size = array.shape, array.size
        self.band = _BAND * (1 + array.shape[-1] // _BAND)
        self.before = poisoned((self.size + 2 * self.band,), array.dtype)
        if array.dtype in _SIGNALLING_NAN:
            self.before.view(f"u{array.itemsize}")[...] = _SIGNALLING_NAN[array.dtype]
        self.inside(self.before)[...] = array

    def inside(self, buffer: Any) -> Any:
        """The array within such a buffer, on the host or on a device."""
        return buffer[self.band : self.band + self.size].reshape(self.shape)

    def check(self, after: np.ndarray, name: str, writable: bool) -> None:
        same = self.before.view(np.uint8) == after.view(np.uint8)
        changed = ~same.reshape(after.size, -1).all(axis=1)
        below, inside, above = np.split(changed, [self.band, self.band + self.size])
        if below.any() or above.any():
            raise AssertionError(
                f"{name}: {below.sum()} elements below it and {above.sum()} above it were written"
            )
        if not writable and inside.any():
            raise AssertionError(f"{name}: an input, but {inside.sum()} of its elements were modified")


def call(
    op: Op, kernel: Callable, arguments: Mapping[str, Any], device: Device = HOST
) -> dict[str, np.ndarray]:
    """Run an implementation on copies of the arguments and return the op's destinations, on the host.

    Raises
    ------
    AssertionError : it wrote outside an array, or modified an input.
    """
    guarded = {a.name: _Guarded(arguments[a.name]) for a in op.arguments if a.dims is not None}
    buffers = {name: device.to_device(array.before.copy()) for name, array in guarded.items()}
    kernel(*(guarded[a.name].inside(buffers[a.name]) if a.dims else arguments[a.name] for a in op.arguments))
    after = {name: device.to_host(buffer) for name, buffer in buffers.items()}
    written = [a.name for a in op.arguments if a.role != "in"]
    for name, array in guarded.items():
        array.check(after[name], f"{op.name}: {name}", writable=name in written)
    return {name: guarded[name].inside(after[name]) for name in written}


# Against the reference --------------------------------------------------------------------------------------


def _normalised(a: SimpleNamespace) -> np.ndarray:
    return (a.x - a.mean) * a.rstd


def _batchnorm_dx(a: SimpleNamespace) -> tuple[int, np.ndarray]:
    """dx is gamma rstd times three terms, two of them sums over the batch, with ten roundings around them."""
    size, rows = abs(_normalised(a)), len(a.dy)
    shares = (abs(a.dy).sum(axis=0) + size * (abs(a.dy) * size).sum(axis=0)) / rows
    return rows + 10, abs(a.gamma) * a.rstd * (abs(a.dy) + shares)


def _table_products(a: SimpleNamespace) -> np.ndarray:
    chosen = a.labels == np.arange(len(a.dtable))[:, None]
    return chosen.astype(float) @ abs(a.dy * a.x)


def _convolved(name: str, out: np.ndarray, one: np.ndarray, other: np.ndarray, a: SimpleNamespace):
    """The terms of each sum, and the same op on absolute values."""
    op, magnitude = ops()[name], np.empty(out.shape)
    values = (magnitude, abs(one), abs(other), a.stride, a.padding)
    op.implementation("reference")(*values)
    return op.product(**op.sizes(values))[2], magnitude


#: Destinations that are sums of products: (arguments) -> (K, sum of |products|).
_SUMS: dict[tuple[str, str], Callable[[SimpleNamespace], tuple[int, np.ndarray]]] = {
    ("dense_forward", "y"): lambda a: (len(a.w), abs(a.x) @ abs(a.w) + abs(a.b)),
    ("dense_backward_input", "dx"): lambda a: (a.w.shape[1], abs(a.dy) @ abs(a.w.T)),
    ("dense_backward_weight", "dw"): lambda a: (len(a.x), abs(a.x.T) @ abs(a.dy)),
    ("dense_backward_bias", "db"): lambda a: (len(a.dy), abs(a.dy).sum(axis=0)),
    ("convolution_forward", "y"): lambda a: _convolved("convolution_forward", a.y, a.x, a.w, a),
    ("convolution_backward_input", "dx"): lambda a: _convolved(
        "convolution_backward_input", a.dx, a.dy, a.w, a
    ),
    ("convolution_backward_weight", "dw"): lambda a: _convolved(
        "convolution_backward_weight", a.dw, a.x, a.dy, a
    ),
    ("embedding_backward_table", "dtable"): lambda a: (len(a.x), _table_products(a)),
    ("batchnorm_backward", "dbeta"): lambda a: (len(a.dy), abs(a.dy).sum(axis=0)),
    # Two of the three factors of each product are rounded before it.
    ("batchnorm_backward", "dgamma"): lambda a: (len(a.dy) + 2, abs(a.dy * _normalised(a)).sum(axis=0)),
    ("batchnorm_backward", "dx"): _batchnorm_dx,
}


def assert_matches_reference(
    op: Op, kernel: Callable, arguments: Mapping[str, Any], device: Device = HOST, rounding: float = 0
) -> None:
    """Check an implementation against the float64 reference, which is fed the same values cast up.

    Every destination is compared.  A sum of K products may be off by 2 K u sum |products|, where u is half the
    epsilon of its dtype; other reals by 1e-6 + 1e-4 |expected| (float64: 1e-12 and 1e-10); integers not at all.

    Parameters
    ----------
    arguments : as :func:`make_arguments` gives them; they are not modified.
    rounding : relative error that the kernel may add to each product; ``Kernel`` in the registry states it.

    Raises
    ------
    AssertionError : a destination is wrong or NaN, an input was modified, or something outside written.
    """
    upcast = {name: _upcast(value) for name, value in arguments.items()}
    expected = call(op, op.implementation("reference"), upcast)
    actual = call(op, kernel, arguments, device)
    for name, array in actual.items():
        tolerance = _tolerance(op, name, upcast, expected[name], array.dtype, rounding)
        hint = "" if (op.name, name) in _SUMS else " (of a long sum, _SUMS has the tolerance)"
        assert_close(f"{op.name}: {name}", array, expected[name], tolerance, hint)


def assert_close(name: str, actual: np.ndarray, expected: np.ndarray, tolerance: Any, hint: str = "") -> None:
    """Fail unless |actual - expected| <= tolerance everywhere; NaN fails.  Integers must be equal."""
    if actual.shape != expected.shape:
        raise AssertionError(f"{name}: shape {actual.shape}, expected {expected.shape}")
    error = np.abs(actual - expected) if actual.dtype.kind == "f" else (actual != expected).astype(np.int64)
    wrong = ~(error <= tolerance)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        allowed = np.broadcast_to(tolerance, actual.shape)[at]
        raise AssertionError(
            f"{name}: {wrong.sum()} of {wrong.size} elements are wrong; at {list(at)} it is {actual[at]!r}, "
            f"expected {expected[at]!r} within {float(allowed):.3g}{hint}"
        )


def _upcast(value: Any) -> Any:
    return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _tolerance(op: Op, name: str, arguments, expected: np.ndarray, dtype: np.dtype, rounding: float):
    if dtype.kind != "f":
        return np.zeros(())
    if (op.name, name) in _SUMS:
        terms, magnitude = _SUMS[op.name, name](SimpleNamespace(**arguments))
        return (terms * np.finfo(dtype).eps + rounding) * magnitude  # eps is 2 u
    atol, rtol = _TOLERANCES[dtype]
    return atol + rtol * np.abs(expected)


# Gradients --------------------------------------------------------------------------------------------------


def gradcheck(
    op: Op,
    kernels: Mapping[str, Callable],
    sizes: Mapping[str, int],
    rng: np.random.Generator,
    device: Device = HOST,
) -> None:
    """Check the ops in ``op.backward`` against central differences of ``op`` itself, in one backend's float64.

    The function differentiated is L = sum of cotangent * y with a random cotangent: one of ones would let a
    batchnorm backward pass that lacks a term.  An op whose backward takes no arriving gradient ends the chain:
    L is its first destination.  Inputs of up to 64 elements are moved one element at a time (atol 1e-5, rtol
    1e-3), larger ones along three random directions of length 1 (atol 1e-9, rtol 1e-5 of the slope to expect:
    the gradient's norm over the root of its size).

    Parameters
    ----------
    kernels : op name -> implementation, of ``op`` and of the ops in ``op.backward``.

    Raises
    ------
    AssertionError : a gradient is wrong, NaN or missing, or an implementation wrote where it must not.
    """
    arguments = make_arguments(op, sizes, rng, np.float64)
    outputs = call(op, kernels[op.name], arguments, device)
    cotangents = _cotangents(op, outputs, rng)
    gradients = _gradients(op, kernels, sizes, arguments | outputs, cotangents, device)

    inputs = [a.name for a in op.arguments if a.role == "in" and a.dims is not None and a.dtype == "real"]
    if set(gradients) != {f"d{name}" for name in inputs}:
        raise AssertionError(f"{op.name} has the inputs {inputs}, but its backward makes {sorted(gradients)}")
    for name in inputs:

        def loss(value: np.ndarray, name: str = name) -> float:
            out = call(op, kernels[op.name], arguments | {name: value}, device)
            return sum(float(np.sum(c * out[n])) for n, c in cotangents.items())

        assert_gradient(f"{op.name}: d{name}", loss, arguments[name], gradients[f"d{name}"], rng)


def _cotangents(op: Op, outputs: Mapping[str, np.ndarray], rng) -> dict[str, np.ndarray]:
    """A random gradient for each output whose gradient a backward op takes; else 1 for the first output."""
    taken = {a.name for name in op.backward for a in ops()[name].arguments if a.role == "in"}
    arriving = [name for name in outputs if f"d{name}" in taken]
    if not arriving:
        first = op.arguments[0].name
        return {first: np.ones_like(outputs[first])}
    return {name: rng.standard_normal(outputs[name].shape) for name in arriving}


def _gradients(op: Op, kernels, sizes, values, cotangents, device) -> dict[str, np.ndarray]:
    """What the backward ops make of the forward op's inputs, its outputs and the arriving gradients."""
    known = values | {f"d{name}": cotangent for name, cotangent in cotangents.items()}
    made: dict[str, np.ndarray] = {}
    for name in op.backward:
        backward = ops()[name]
        given = {a.name: known[a.name] for a in backward.arguments if a.role == "in"}
        arguments = make_arguments(backward, sizes, np.random.default_rng(0), np.float64, **given)
        made |= call(backward, kernels[name], arguments, device)
    return made


def assert_gradient(
    name: str,
    loss: Callable[[np.ndarray], float],
    x: np.ndarray,
    gradient: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Check dL/dx against central differences of L, with the steps and tolerances of :func:`gradcheck`."""

    def difference(direction: np.ndarray) -> float:
        return (loss(x + _STEP * direction) - loss(x - _STEP * direction)) / (2 * _STEP)

    if x.size <= _FULL_JACOBIAN:
        basis = np.eye(x.size).reshape(x.size, *x.shape)
        expected = np.array([difference(e) for e in basis]).reshape(x.shape)
        assert_close(name, gradient, expected, 1e-5 + 1e-3 * np.abs(expected))
        return
    directions = rng.standard_normal((_DIRECTIONS, *x.shape))
    directions = [d / np.linalg.norm(d) for d in directions]
    expected = np.array([difference(d) for d in directions])
    slopes = np.array([np.sum(gradient * d) for d in directions])
    tolerance = 1e-9 + 1e-5 * np.linalg.norm(gradient) / x.size**0.5
    assert_close(f"{name} along random directions", slopes, expected, tolerance)
