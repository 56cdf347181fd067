"""What the tests of the kernels walk: every op of the registry with every one of its implementations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from cgan_raw.kernels.registry import Kernel, Op, ops

from cgan_raw.testing import HOST, Device

#: The sizes at which tiles, warps and vector loads end badly, and two of the network's own.
AWKWARD = (1, 31, 32, 33, 127, 129, 784, 1000)

#: Where each backend's arrays live.  A backend that is missing here is an error, so none can go untested.
DEVICES: dict[str, Device] = {"reference": HOST, "cpu": HOST}


@dataclass(frozen=True)
class Case:
    """One implementation of one op."""

    op: Op
    kernel: Kernel

    def __str__(self) -> str:
        return "-".join(filter(None, (self.op.name, self.kernel.backend, self.kernel.version)))

    @property
    def function(self) -> Callable:
        return self.op.implementation(self.kernel.backend, self.kernel.version)

    @property
    def device(self) -> Device:
        return DEVICES[self.kernel.backend]

    @property
    def real(self) -> type:
        """The scalar type that the backend computes in when it trains."""
        return np.float64 if self.kernel.backend == "reference" else np.float32


def backward_tables(case: Case) -> list[dict[str, Callable]]:
    """The op's function with those of the ops in its backward: one table for each of their versions in turn."""
    defaults, versions = {case.op.name: case.function}, []
    for name in case.op.backward:
        backend = case.kernel.backend
        of_backend = [k for k in kernels(ops()[name]) if k.backend == backend]
        functions = [ops()[name].implementation(backend, k.version) for k in of_backend]
        defaults[name] = functions[0]
        versions += [{name: function} for function in functions[1:]]
    return [defaults, *(defaults | version for version in versions)]


def kernels(op: Op) -> tuple[Kernel, ...]:
    """The reference and every kernel of an op."""
    return (Kernel("reference"), *op.kernels)


CASES = [Case(op, kernel) for op in ops().values() for kernel in kernels(op)]
KERNEL_CASES = [case for case in CASES if case.kernel.backend != "reference"]

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_kernel = pytest.mark.parametrize("case", KERNEL_CASES, ids=str)
each_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.op.backward], ids=str)


def awkward_sizes(op: Op) -> list[dict[str, int]]:
    """Eight choices in which each size of the op takes each awkward value once, no two sizes in step."""
    count = len(AWKWARD)
    return [{d: AWKWARD[(i + 3 * j) % count] for j, d in enumerate(op.dims)} for i in range(count)]
