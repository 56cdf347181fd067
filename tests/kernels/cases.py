"""What the tests of the kernels walk: every op of the registry with every one of its implementations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from cgan_raw.devices.choice import make_backend
from cgan_raw.kernels import simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.registry import Kernel, Op, is_fused, ops
from cgan_raw.testing import HOST, Device, assert_matches_reference, make_arguments

#: The sizes at which tiles, warps and vector loads end badly, and two of the network's own.
AWKWARD = (1, 31, 32, 33, 127, 129, 784, 1000)

#: The same for kernels that are slow to run on a CPU: a second tile, a ragged one, no more.
AWKWARD_AND_SMALL = (1, 31, 33, 32, 2, 34, 7, 65)

#: Backends whose kernels are functions of host arrays.
_ON_HOST = ("reference", "cpu")


class Place:
    """Where kernels are launched: their arrays' device, and they themselves for each scalar type."""

    def __init__(self, device: Device, executor):
        self.device = device
        self.modules = {
            np.dtype(np.float32): Modules(executor),
            np.dtype(np.float64): Modules(executor, "double"),
        }


@cache
def place(name: str, backend: str) -> Place:
    """``"simt"``, which is the CPU, or ``"gpu"``, which is made when the first test asks for it."""
    if name == "simt":
        return Place(HOST, simt.Executor() if backend == "cuda" else _interpreter())
    if backend == "numba_cuda":
        from cgan_raw.kernels.numba_gpu import Executor
    else:
        from cgan_raw.kernels.gpu import Executor
    device = make_backend("gpu", graph=False, kernels=backend.removesuffix("_cuda"))
    return Place(Device(device.upload, device.download), Executor(device.stream))


def _interpreter():
    from cgan_raw.kernels.simt import interpreter  # needs greenlet, without which all else can be tested

    return interpreter.Executor()


@dataclass(frozen=True)
class Case:
    """One implementation of one op; if it is launched, in the place of that name."""

    op: Op
    kernel: Kernel
    place: str = "simt"

    def __str__(self) -> str:
        return "-".join(filter(None, (self.op.name, self.kernel.backend, self.kernel.version)))

    @property
    def function(self) -> Callable:
        return function(self.op, self.kernel, self.place)

    @property
    def device(self) -> Device:
        backend = self.kernel.backend
        return HOST if backend in _ON_HOST else place(self.place, backend).device

    @property
    def slow(self) -> bool:
        """Whether Python runs each thread, or a warp meets sixteen times to multiply two fragments."""
        return self.place == "simt" and (self.kernel.backend == "numba_cuda" or self.kernel.rounding > 0)

    @property
    def real(self) -> type:
        """The scalar type that the backend computes in when it trains."""
        return np.float64 if self.kernel.backend == "reference" else np.float32


def function(op: Op, kernel: Kernel, where: str = "simt") -> Callable:
    """The implementation as a function of the op's arguments, of float32 or of float64."""
    if kernel.backend in _ON_HOST:
        return op.implementation(kernel.backend, kernel.version)

    def launch(*arguments):
        real = {a.dtype for a in arguments if getattr(a, "shape", ()) and a.dtype.kind == "f"}
        modules = place(where, kernel.backend).modules[real.pop() if real else np.dtype(np.float32)]
        LaunchedOp(op, modules, kernel.version)(*arguments)

    return launch


def backward_table(case: Case) -> dict[str, Callable]:
    """The op's function with those of its backward ops: of the same version, where they have versions."""
    table = {case.op.name: case.function}
    for op in (ops()[name] for name in case.op.backward):
        versions = {k.version: k for k in kernels(op) if k.backend == case.kernel.backend}
        table[op.name] = function(op, versions[case.kernel.version if len(versions) > 1 else None], case.place)
    return table


def kernels(op: Op) -> tuple[Kernel, ...]:
    """The reference and every kernel of an op."""
    return (Kernel("reference"), *op.kernels)


def in_three_parts_again(op: Op, kernel: Kernel) -> bool:
    """Whether it is another's text with factors in three parts, by which tests of dense's versions go."""
    return (op.build(kernel.version) or "").endswith("_3x")


CASES = [
    Case(op, kernel) for op in ops().values() for kernel in kernels(op) if not in_three_parts_again(op, kernel)
]
KERNEL_CASES = [case for case in CASES if case.kernel.backend != "reference"]

each_kernel = pytest.mark.parametrize("case", KERNEL_CASES, ids=str)
each_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.op.backward], ids=str)


#: Of a convolution so many sizes multiply that each has few values of its own: the most, and the most where
#: each thread is run by Python.
_MOST = {"B": 3, "P": 7, "Q": 9, "N": 70, "H": 13, "W": 11, "C": 37, "R": 5, "stride": 3, "padding": 2}
_FEWER = _MOST | {"B": 2, "P": 3, "Q": 4, "N": 9, "H": 6, "W": 7, "C": 5}

#: B, P, Q, N, H, W, C, R, stride and padding: the network's, and what is awkward in them: one channel, kernels
#: of 1 x 1 and 5 x 5, strides of 3 and beyond the kernel, padding beyond it, images too small or too large.
_CONVOLUTIONS = (
    *((1, 1, 1, 1, 1, 1, 1, 1, 1, 0), (2, 14, 14, 64, 28, 28, 1, 4, 2, 1), (3, 7, 7, 129, 14, 14, 65, 4, 2, 1)),
    *((3, 5, 4, 31, 13, 11, 17, 5, 3, 2), (4, 9, 9, 33, 9, 9, 127, 1, 1, 0), (2, 4, 3, 7, 10, 8, 3, 1, 3, 0)),
    *((2, 3, 2, 5, 7, 9, 2, 3, 2, 4), (5, 8, 8, 1, 8, 8, 1, 3, 1, 1), (1, 9, 7, 2, 2, 3, 40, 5, 3, 1)),
)
_SMALL_CONVOLUTIONS = (
    *((1, 1, 1, 1, 1, 1, 1, 1, 1, 0), (1, 3, 3, 66, 6, 6, 2, 4, 2, 1), (2, 2, 3, 3, 7, 8, 5, 5, 3, 2)),
    *((2, 2, 2, 7, 5, 4, 3, 1, 3, 0), (1, 3, 2, 5, 2, 3, 1, 3, 2, 4)),
)


#: Two in which every size has a say, the first one for a full Jacobian.
TYPICAL_CONVOLUTIONS = tuple(
    dict(zip(_MOST, shape, strict=True))
    for shape in ((1, 2, 2, 2, 4, 3, 2, 3, 2, 1), (2, 3, 2, 37, 5, 6, 9, 3, 2, 1))
)


def is_convolution(op: Op) -> bool:
    return "stride" in op.dims


#: The most ranks whose sums each block adds up; and the most parts into which rows are split, each a block,
#: where Python runs each thread.
_FEW_RANKS, _FEW_PARTS = 3, 5


def _few(op: Op, sizes: dict[str, int], small: bool) -> dict[str, int]:
    """The sizes as the op takes them, with few ranks, and few parts if ``small``."""
    most = {"R": _FEW_RANKS} if {"R", "S"} <= set(op.dims) else {}
    most |= {"S": _FEW_PARTS} if small and "S" in op.dims else {}
    return op.within(sizes) | {d: (sizes[d] - 1) % n + 1 for d, n in most.items()}


def fitted(op: Op, sizes: dict[str, int], small: bool = False) -> dict[str, int]:
    """The sizes as the op takes them, those of a convolution folded into few values; fewer if ``small``."""
    if not is_convolution(op):
        return _few(op, sizes, small)
    most = _FEWER if small else _MOST
    folded = {d: (sizes[d] - 1) % most[d] + 1 for d in op.dims}
    return folded | {"padding": sizes["padding"] % (most["padding"] + 1)}


def awkward_sizes(case: Case) -> list[dict[str, int]]:
    """Eight choices in which each size of the op takes each awkward value once, no two sizes in step.

    Of a convolution, those listed above.
    """
    dims = case.op.dims
    if is_convolution(case.op):
        shapes = _SMALL_CONVOLUTIONS if case.slow else _CONVOLUTIONS
        return [dict(zip(_MOST, shape, strict=True)) for shape in shapes]
    values = AWKWARD_AND_SMALL if case.slow and len(dims) > 1 else AWKWARD
    choices = ({d: values[(i + 3 * j) % len(values)] for j, d in enumerate(dims)} for i in range(len(values)))
    return [fitted(case.op, sizes, case.slow) for sizes in choices]


def versions(backend: str) -> list:
    """The kernels of a backend with their ops, as parameters of a test."""
    return [
        pytest.param(op, kernel, id=op.function(kernel.version))
        for op in ops().values()
        for kernel in op.kernels
        if kernel.backend == backend and not in_three_parts_again(op, kernel)
    ]


def texts() -> list:
    """The same of CUDA C++, but of a text that is built several times one build."""
    return [p for p in versions("cuda") if p.values[0].build(p.values[1].version) is None]


def each_version(backend: str):
    return pytest.mark.parametrize(("op", "kernel"), versions(backend))


#: Sizes of an op in order of appearance, small first.
_SEVERAL_TILES = (
    *((9, 34, 70), (17, 33, 20), (33, 65, 20)),
    *((130, 9, 9), (9, 130, 9), (9, 460, 20), (2, 1030, 9)),
    *((1030, 9, 9), (4100, 9, 9)),
)
GRIDS = (1, 2, 3)


def several_tiles(op: Op, kernel: Kernel) -> dict[str, int]:
    """Sizes with more tiles than any of ``GRIDS`` has blocks; any, of a kernel that always has one block."""
    if is_convolution(op):
        choices = [dict(zip(_MOST, (2, 2, 3, N, 4, 4, 2, 2, 2, 1), strict=True)) for N in (72, 200)]
    else:
        rest = dict.fromkeys(op.dims, 9)  # of an op with more sizes
        given = {"S": 2} | ({"M": 35} if is_fused(op) else {})  # fused kernels walk rows, 32 at a time
        choices = [
            op.within(rest | dict(zip(op.dims, shape, strict=False)) | given) for shape in _SEVERAL_TILES
        ]
        choices = [{dim: sizes[dim] for dim in op.dims} for sizes in choices]
    return next((sizes for sizes in choices if kernel.geometry(**sizes).grid > max(GRIDS)), choices[-2])


def grids(op: Op, kernel: Kernel) -> tuple[int, ...]:
    """On which of ``GRIDS`` a kernel must compute the same: a sum to one number is one block's."""
    return GRIDS if kernel.geometry(**several_tiles(op, kernel)).grid > 1 else GRIDS[:1]


def on_grid(op: Op, kernel: Kernel, modules: Modules, grid: int) -> Callable:
    """A kernel as a function of the op's arguments, on so many blocks instead of the contract's, but no more.

    Those of a kernel that is made for one block would all write its result.
    """

    def launch(*arguments):
        sizes = op.sizes(arguments)
        most, block = kernel.geometry(**sizes)
        blocks = min(grid, most)
        module = modules.of(op, kernel.version)
        measured = (sizes[name] for name in op.measured)
        module.launch(op.function(kernel.version), blocks, block, (*arguments, *measured))

    return launch


def check_case(case: Case, sizes: dict[str, int], seed: int, real: type) -> None:
    """Compare a case with the reference on arguments of these sizes; AssertionError if it differs.

    One element of each real input is 0, another one of each: there a branch may go either way.
    """
    arguments = make_arguments(case.op, case.op.within(sizes), np.random.default_rng(seed), real)
    for position, argument in enumerate(case.op.arguments):
        if argument.role == "in" and argument.dims and argument.dtype == "real":
            array = arguments[argument.name].reshape(-1)
            array[position % array.size] = 0
    rounding = case.kernel.rounding if real is np.float32 else 0
    assert_matches_reference(case.op, case.function, arguments, case.device, rounding)
