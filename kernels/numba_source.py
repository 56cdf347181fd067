"""How the Numba CUDA of an op is put together, whoever compiles or interprets it.

A kernel is marked ``@kernel`` and what it calls ``@device``; both stay plain Python functions.  :func:`bind`
gives each a copy whose globals name the scalar type ``real``, as ``-DREAL`` does for the CUDA C++, and whose
callees are copies too, made into whatever an executor runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any


def kernel(function: FunctionType) -> FunctionType:
    """Mark what is launched: ``__global__`` in CUDA C++."""
    function.role = "kernel"
    return function


def device(function: FunctionType) -> FunctionType:
    """Mark what a kernel calls: ``__device__`` in CUDA C++."""
    function.role = "device"
    return function


def bind(
    module: ModuleType,
    common: ModuleType,
    words: Mapping[str, Any],
    make: Callable[[FunctionType, str], Any],
) -> dict[str, Any]:
    """The kernels of a module by name, after ``make(function, role)``.

    Parameters
    ----------
    common : what the module's kernels share with others.
    words : what the executor's machine calls by these names: ``real``, ``cuda``, ...
    """
    names = {**vars(common), **vars(module), **words}
    roles = {name: value.role for name, value in names.items() if hasattr(value, "role")}
    for name, role in roles.items():
        names[name] = make(FunctionType(names[name].__code__, names, name), role)
    return {name: names[name] for name, role in roles.items() if role == "kernel"}
