"""What the tests of the kernels walk: every op of the registry with every one of its implementations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from cgan_raw.kernels import simt
from cgan_raw.kernels.dispatch import LaunchedOp, compiled
from cgan_raw.kernels.registry import Kernel, Op, ops

from cgan_raw.testing import HOST, Device

#: The sizes at which tiles, warps and vector loads end badly, and two of the network's own.
AWKWARD = (1, 31, 32, 33, 127, 129, 784, 1000)

#: Where each backend's arrays live.  A backend that is missing here is an error, so none can go untested.
DEVICES: dict[str, Device] = {"reference": HOST, "cpu": HOST, "cuda": HOST}

#: The CUDA C++ on the CPU, for each scalar type.
SIMT = {
    np.dtype(np.float32): compiled(simt.Executor()),
    np.dtype(np.float64): compiled(simt.Executor(), "double"),
}


@dataclass(frozen=True)
class Case:
    """One implementation of one op."""

    op: Op
    kernel: Kernel

    def __str__(self) -> str:
        return "-".join(filter(None, (self.op.name, self.kernel.backend, self.kernel.version)))

    @property
    def function(self) -> Callable:
        return function(self.op, self.kernel)

    @property
    def device(self) -> Device:
        return DEVICES[self.kernel.backend]

    @property
    def real(self) -> type:
        """The scalar type that the backend computes in when it trains."""
        return np.float64 if self.kernel.backend == "reference" else np.float32


def function(op: Op, kernel: Kernel) -> Callable:
    """The implementation as a function of the op's arguments, of float32 or of float64."""
    if kernel.backend != "cuda":
        return op.implementation(kernel.backend, kernel.version)

    def launch(*arguments):
        real = {a.dtype for a in arguments if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
        modules = SIMT[real.pop() if real else np.dtype(np.float32)]
        LaunchedOp(op, modules, kernel.version)(*arguments)

    return launch


def backward_table(case: Case) -> dict[str, Callable]:
    """The op's function with those of its backward ops: of the same version, where they have versions."""
    table = {case.op.name: case.function}
    for op in (ops()[name] for name in case.op.backward):
        versions = {k.version: k for k in kernels(op) if k.backend == case.kernel.backend}
        table[op.name] = function(op, versions[case.kernel.version if len(versions) > 1 else None])
    return table


def kernels(op: Op) -> tuple[Kernel, ...]:
    """The reference and every kernel of an op."""
    return (Kernel("reference"), *op.kernels)


CASES = [Case(op, kernel) for op in ops().values() for kernel in kernels(op)]
KERNEL_CASES = [case for case in CASES if case.kernel.backend != "reference"]

each_kernel = pytest.mark.parametrize("case", KERNEL_CASES, ids=str)
each_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.op.backward], ids=str)


def awkward_sizes(op: Op) -> list[dict[str, int]]:
    """Eight choices in which each size of the op takes each awkward value once, no two sizes in step."""
    count = len(AWKWARD)
    return [{d: AWKWARD[(i + 3 * j) % count] for j, d in enumerate(op.dims)} for i in range(count)]


#: Every kernel of the CUDA C++, with its op.
VERSIONS = [
    pytest.param(op, kernel, id=op.function(kernel.version))
    for op in ops().values()
    for kernel in op.kernels
    if kernel.backend == "cuda"
]
each_version = pytest.mark.parametrize(("op", "kernel"), VERSIONS)
