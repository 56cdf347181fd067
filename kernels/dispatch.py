"""From an op to the launch of its kernel: the op table of the backends that launch CUDA C++ or Numba CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .launch import Module, NumbaModule, op_module
from .registry import Op, make_table

if TYPE_CHECKING:
    from .table import Ops


class Modules:
    """The kernels of an executor, by their op folder's package and build; compiled when first asked for."""

    def __init__(self, executor, real: str = "float"):
        self.executor, self.real, self.backend = executor, real, executor.backend
        self._modules: dict[tuple[str, str | None], Module | NumbaModule] = {}

    def __call__(self, package: str, build: str | None = None) -> Module | NumbaModule:
        """Raises KeyError : the folder has no such build."""
        if (package, build) not in self._modules:
            self._modules[package, build] = self._load(package, build)
        return self._modules[package, build]

    def of(self, op: Op, version: str | None) -> Module | NumbaModule:
        """The kernels among which a version of an op is."""
        return self(op.package, op.build(version))

    def _load(self, package: str, build: str | None) -> Module | NumbaModule:
        if self.backend == "numba_cuda":
            return NumbaModule(package, self.executor, self.real)
        return op_module(package, build, self.executor, self.real)


class LaunchedOp:
    """An op as a function of arrays and scalars: picks the version, works out the grid, appends the sizes.

    Parameters
    ----------
    version : always this one; None leaves it to the contract.
    """

    def __init__(self, op: Op, modules: Modules, version: str | None = None):
        self.op, self.modules, self.version = op, modules, version
        self.kernels = {kernel.version: kernel for kernel in op.kernels if kernel.backend == modules.backend}

    def __call__(self, *arguments) -> None:
        sizes = self.op.sizes(arguments)
        version = self.op.launched(self.kernels, sizes) if self.version is None else self.version
        grid, block = self.kernels[version].geometry(**sizes)
        module = self.modules.of(self.op, version)
        measured = (sizes[name] for name in self.op.measured)
        module.launch(self.op.function(version), grid, block, (*arguments, *measured))


def table(executor, tf32: bool = False) -> Ops:
    """The op table of CUDA C++, or of Numba CUDA, on an executor.

    Parameters
    ----------
    tf32 : let the tensor cores multiply, which rounds factors to 11 bits.
    """
    modules = Modules(executor)

    def launched(op: Op) -> LaunchedOp:
        versions = {kernel.version for kernel in op.kernels if kernel.backend == executor.backend}
        return LaunchedOp(op, modules, "tensor_core" if tf32 and "tensor_core" in versions else None)

    return make_table(executor.backend, launched)
