"""From an op to the launch of its kernel: the op table of the backends that launch CUDA C++."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from .launch import Module
from .registry import Op, ops


def compiled(executor, real: str = "float") -> Callable[[str], Module]:
    """A function from the package of an op folder to its kernels, which are compiled when first asked for."""

    @cache
    def module(package: str) -> Module:
        folder = import_module(package)
        constants = getattr(folder, "CONSTANTS", {})
        return Module(Path(folder.__file__).with_name("cuda.cu"), executor, real, constants)

    return module


class LaunchedOp:
    """An op as a function of arrays and scalars: picks the version, works out the grid, appends the sizes.

    Parameters
    ----------
    modules : as :func:`compiled` makes it.
    version : always this one; None leaves it to the contract.
    """

    def __init__(self, op: Op, modules: Callable[[str], Module], version: str | None = None):
        self.op, self.modules, self.version = op, modules, version
        self.kernels = {kernel.version: kernel for kernel in op.kernels if kernel.backend == "cuda"}

    def __call__(self, *arguments) -> None:
        sizes = self.op.sizes(arguments)
        version = self.version
        if version is None and self.op.choose is not None:
            version = self.op.choose(**sizes)
        grid, block = self.kernels[version].launch(**sizes)
        module = self.modules(self.op.package)
        module.launch(self.op.function(version), grid, block, (*arguments, *sizes.values()))


def table(executor, tf32: bool = False) -> SimpleNamespace:
    """The op table of CUDA C++ on an executor.

    Parameters
    ----------
    tf32 : let the tensor cores multiply, which rounds factors to 11 bits.
    """
    modules = compiled(executor)

    def launched(op: Op) -> LaunchedOp:
        versions = {kernel.version for kernel in op.kernels}
        return LaunchedOp(op, modules, "tensor_core" if tf32 and "tensor_core" in versions else None)

    return SimpleNamespace(**{name: launched(op) for name, op in ops().items()})
