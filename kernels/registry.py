"""The contracts: what an op is called, what it takes, and which kernels compute it.

Dispatch, tests, benchmarks and documentation all walk :func:`ops`, so an op that is listed here is dispatched,
tested, gradient-checked and documented, and one that is not does not exist.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from .geometry import Geometry

if TYPE_CHECKING:
    from .table import Ops

#: The op folders in the order of all tables, each behind those whose ideas it needs, with the parallel pattern
#: that it teaches.  kernels/README.md says in which order to read them.
FOLDERS = (
    "activation",  # map
    "adam",  # map with state
    "philox",  # counter-based random numbers
    "dropout",
    "batch",  # gather
    "embedding",  # gather and scatter
    "bce",  # reduce to a number
    "batchnorm",  # reduce columns
    "dense",  # tiling
    "convolution",  # tiling what is gathered
    "bookkeeping",  # bookkeeping on the device
    "fused_forward",  # fusion: a product with a prologue and an epilogue
    "fused_backward",  # fusion with an update
    "fused_ends",  # fusion of what is small
)

#: Kernels index with an int, and what they add to an index on the way must fit too: as much again.
MOST_ELEMENTS = 2**30

_ARGUMENT = re.compile(r"(?P<update>&?)(?P<name>\w+)(?:\((?P<dims>[\w,]+)\))?(?::(?P<dtype>\w+))?")
#: The dtype of a scalar that is one of the sizes: known by its value, where others are read off arrays.
_SIZE = "size"

_ITEM_BYTES = {"real": 4, "uint8": 1, "uint32": 4, "int32": 4, "int64": 8, "float64": 8}


@dataclass(frozen=True)
class Argument:
    """One argument of an op, as its signature declares it.

    ``dims`` is None for a scalar.  ``role`` is ``"out"`` (written, never read), ``"update"`` (read and written)
    or ``"in"``.  ``dtype`` is ``"real"`` for the scalar type of the build: float32, or float64 in gradient
    checks.  A scalar may be a size itself, an int32; then ``size`` is true.
    """

    name: str
    dims: tuple[str, ...] | None
    dtype: str
    role: str
    size: bool = False

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        """The array's shape for given sizes, e.g. ``{"B": 32, "C": 512}``; a numeral stands for itself."""
        return tuple(int(d) if d.isdigit() else sizes[d] for d in self.dims)


@dataclass(frozen=True)
class Kernel:
    """One implementation of an op: a backend and, where there are several, a version named by a word.

    ``geometry`` maps sizes as keywords to the grid and block of a kernel that is launched.  ``rounding`` is the
    relative error of a product whose float32 factors are rounded first.
    """

    backend: str
    version: str | None = None
    geometry: Callable[..., Geometry] | None = None
    rounding: float = 0.0


def one_version(geometry: Callable[..., Geometry]) -> tuple[Kernel, ...]:
    """The kernels of an op that has one version, on the CPU and in both languages on a GPU."""
    return (Kernel("cpu"), Kernel("cuda", None, geometry), Kernel("numba_cuda", None, geometry))


@dataclass(frozen=True)
class Op:
    """The contract of one op.

    Parameters
    ----------
    package : the op's folder as an import name; in it are the module ``reference`` and one per backend.
    name : ``<op>_<pass>``; the function of that name (with ``_<version>`` behind it) is the implementation.
    signature : ``"y(M,N) <- x(M,K) labels(M):int32 slope"``: destinations, inputs, scalars.  ``&p(n)`` is read
        and written.  The dtype is ``real`` unless it is named; ``stride:size`` is a scalar that is a size.
    flops : sizes as keywords -> floating-point operations of one call.
    kernels : the implementations beside the reference.
    backward : names of the ops that make its gradients.  They take their arguments by name from the forward op:
        ``dx`` is the gradient of ``x``, and ``dy`` the gradient that arrives at ``y``.
    choose : sizes as keywords -> the versions to launch, where there are several, the best one first.
    moved : sizes as keywords -> least bytes moved, where it is not each array once (a gather, say).
    wide : names of arrays that kernels index with 64 bits; all others have at most ``MOST_ELEMENTS`` elements.
    most : by the name of a size, how large it may be.
    product : sizes as keywords -> (rows, columns, K), of an op that is a matrix product.
    """

    package: str
    name: str
    signature: str
    flops: Callable[..., int]
    kernels: tuple[Kernel, ...]
    backward: tuple[str, ...] = ()
    choose: Callable[..., tuple[str, ...]] | None = None
    moved: Callable[..., int] | None = None
    wide: tuple[str, ...] = ()
    most: dict[str, int] = field(default_factory=dict, hash=False)
    product: Callable[..., tuple[int, int, int]] | None = None

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The signature, parsed, in calling order."""
        destinations, _, inputs = self.signature.partition("<-")
        return tuple(_parse(word, "out") for word in destinations.split()) + tuple(
            _parse(word, "in") for word in inputs.split()
        )

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """The names of the sizes, in order of appearance."""
        return (*self.measured, *(a.name for a in self.arguments if a.size))

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """Those that are read off arrays; kernels that are launched take them after the arguments."""
        names = (d for a in self.arguments for d in a.dims or () if not d.isdigit())
        return tuple(dict.fromkeys(names))

    def bytes(self, **sizes: int) -> int:
        """The least memory traffic of one call in bytes, float32: each array once, updated ones twice."""
        if self.moved is not None:
            return self.moved(**sizes)
        arrays = (a for a in self.arguments if a.dims is not None)
        return sum(
            math.prod(a.shape(sizes)) * _ITEM_BYTES[a.dtype] * (2 if a.role == "update" else 1) for a in arrays
        )

    def sizes(self, values: Sequence) -> dict[str, int]:
        """The sizes by name, in the order of ``dims``, read off a call's values.

        Raises
        ------
        ValueError : a shape does not fit the signature, two arrays disagree about a size, or a size or an array
            is larger than the kernels are made for.
        """
        sizes: dict[str, int] = {}
        for argument, value in zip(self.arguments, values, strict=True):
            if argument.dims is None:
                if argument.size:
                    sizes[argument.name] = int(value)
                continue
            fits = len(value.shape) == len(argument.dims) and all(
                size == (int(dim) if dim.isdigit() else sizes.setdefault(dim, size))
                for dim, size in zip(argument.dims, value.shape, strict=True)
            )
            if not fits:
                raise ValueError(f"{self.name}: {argument.name} is {value.shape}; {self.signature}, {sizes}")
            if math.prod(value.shape) > MOST_ELEMENTS and argument.name not in self.wide:
                raise ValueError(f"{self.name}: {argument.name} is {value.shape}, more than 2^30 elements")
        for dim, most in self.most.items():
            if sizes[dim] > most:
                raise ValueError(f"{self.name}: {dim} is {sizes[dim]}, more than {most}")
        return sizes

    def within(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes, each at most as large as the op takes it."""
        return {dim: min(size, self.most.get(dim, size)) for dim, size in sizes.items()}

    def function(self, version: str | None) -> str:
        """The name of the function that implements a version."""
        return self.name if version is None else f"{self.name}_{version}"

    def build(self, version: str | None) -> str | None:
        """The build of the folder's text that a version is in: its own, or the one that all others share."""
        return version if version in builds(self.package) else None

    def written(self, version: str | None) -> str:
        """The name under which a version stands in the source."""
        return self.function(version) if self.build(version) is None else self.name

    def launched(self, versions: Collection[str | None], sizes: dict[str, int]) -> str | None:
        """Which of a backend's versions is launched for these sizes, by the contract's choice."""
        return None if None in versions else next(v for v in self.choose(**sizes) if v in versions)

    def runs_on(self, backend: str) -> bool:
        """Whether the backend has a kernel of this op."""
        return backend == "reference" or any(kernel.backend == backend for kernel in self.kernels)

    def implementation(self, backend: str, version: str | None = None) -> Callable:
        """The function that computes this op on a backend (``"reference"``, ``"cpu"``, ...)."""
        module = importlib.import_module(f"{self.package}.{backend}")
        return getattr(module, self.function(version))


def _parse(word: str, role: str) -> Argument:
    match = _ARGUMENT.fullmatch(word)
    if match is None:
        raise ValueError(f"not an argument of a signature: {word!r}")
    dims = tuple(match["dims"].split(",")) if match["dims"] else None
    dtype = match["dtype"] or "real"
    role = "update" if match["update"] else role
    return Argument(match["name"], dims, "int32" if dtype == _SIZE else dtype, role, dtype == _SIZE)


@cache
def builds(package: str) -> dict[str, dict[str, int]]:
    """An op folder's versions that are the text of the one without a name, and what each is compiled with."""
    return getattr(importlib.import_module(package), "BUILDS", {})


@cache
def ops() -> dict[str, Op]:
    """Every op by name, in reading order."""
    packages = (importlib.import_module(f"{__package__}.{folder}") for folder in FOLDERS)
    return {op.name: op for package in packages for op in package.OPS}


def make_table(backend: str, function: Callable[[Op], Callable]) -> Ops:
    """An op table: what ``function`` makes of each op that the backend has, under the op's name."""
    found = {name: function(op) for name, op in ops().items() if op.runs_on(backend)}
    return cast("Ops", SimpleNamespace(**found))


def table(backend: str) -> Ops:
    """The op table of a backend: ``table("cpu").dense_forward(y, x, w, b)``."""
    return make_table(backend, lambda op: op.implementation(backend))


def is_fused(op: Op) -> bool:
    """Whether it does what several other ops do: a fused iteration calls it in their place."""
    return op.name.startswith("fused_")


def most_fused_rows(table: Ops) -> int:
    """Rows of the largest mini-batch for which a table's fused ops are meant; 0 if it lacks any."""
    fused = {name: op for name, op in ops().items() if is_fused(op)}
    if any(not hasattr(table, name) for name in fused):
        return 0
    return min(op.most["M"] for op in fused.values() if "M" in op.dims)
