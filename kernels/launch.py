"""How the kernels of an op are loaded and launched, whoever runs them.

A :class:`Module` is one ``cuda.cu``, a :class:`NumbaModule` one ``numba_cuda.py``; its executor compiles and
runs it.  An executor has ``backend``, which of the two it runs; ``array_type``, the class of the arrays it
takes; and ``load``, which returns something with ``launch(name, grid, block, arguments, shared, cooperative)``.

Neither CuPy nor ctypes casts a scalar, and neither looks at an array's dtype: a Python float given for a
``float`` arrives as another number, silently.  Numba compiles a kernel anew for whatever types arrive.  So the
C declaration in the source decides, or the op's signature, for every executor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .geometry import THREADS
from .registry import Op, builds

COMMON = Path(__file__).with_name("common.cuh")

#: The scalar types that a kernel's declaration may name, beside ``real``.
_DTYPES = {
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "unsigned char": np.dtype(np.uint8),
    "int": np.dtype(np.int32),
    "unsigned": np.dtype(np.uint32),
    "unsigned int": np.dtype(np.uint32),
    "long long": np.dtype(np.int64),
    "unsigned long long": np.dtype(np.uint64),
}
_BOUNDS = r"(?:__launch_bounds__\s*\([^)]*\)\s*)?"
_KERNEL = re.compile(rf'extern\s+"C"\s+__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(([^)]*)\)')
_INCLUDE = re.compile(r'^#include "(.+?)".*$', re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_PARAMETER = re.compile(r"(?P<const>const\s+)?(?P<type>\w+(?:\s+\w+)*?)\s*(?P<pointer>\*?)\s*(?P<name>\w+)")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: an array if ``pointer``, else a scalar; a ``const`` array is only read."""

    name: str
    dtype: np.dtype
    pointer: bool
    const: bool


class _Kernels:
    """Compiled kernels and what each declares.

    Parameters
    ----------
    parameters : of each kernel, by its name.
    loaded : as an executor's ``load`` returns it.
    """

    def __init__(self, parameters: Mapping[str, Sequence[Parameter]], array_type: type, loaded):
        self.parameters, self._array_type, self._loaded = parameters, array_type, loaded

    def launch(
        self,
        name: str,
        grid: int | Sequence[int],
        block: int | Sequence[int],
        arguments: Sequence[Any],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Run a kernel.

        Parameters
        ----------
        grid, block : number of blocks, and of threads per block, along x or (x, y) or (x, y, z).
        arguments : arrays of exactly the declared dtype, C-contiguous; scalars, which are cast.
        shared : dynamic shared memory in bytes.
        cooperative : all blocks are live at once, so that the kernel may call ``grid_sync()``.

        Raises
        ------
        TypeError : an array of another dtype or from another device, a number where an array belongs.
        ValueError : an array in another order or not aligned, a read-only destination, a scalar that does not
            fit.
        """
        try:
            parameters = self.parameters[name]
        except KeyError:
            raise ValueError(f"no kernel {name}; the file has {', '.join(self.parameters)}") from None
        if len(arguments) != len(parameters):
            raise TypeError(f"{name} takes {len(parameters)} arguments, not {len(arguments)}")
        checked = [self._check(name, *pair) for pair in zip(parameters, arguments, strict=True)]
        self._loaded.launch(name, grid, block, checked, shared, cooperative)

    def _check(self, kernel: str, parameter: Parameter, value: Any) -> Any:
        if parameter.pointer:
            return check_array(kernel, parameter, value, self._array_type)
        return cast_scalar(kernel, parameter, value)


class Module(_Kernels):
    """The kernels of one ``.cu`` file, compiled.

    Parameters
    ----------
    cu_path : the file; ``common.cuh`` is put before it.
    executor : who compiles and runs the kernels.
    real : ``"float"`` or ``"double"``, what the kernels' scalar type ``real`` stands for.
    constants : the contract's sizes that the source uses, by name.
    suffix : what is put behind the kernels' names.

    Raises
    ------
    TypeError : a kernel is declared with a type that is not one of ``_DTYPES``.
    """

    def __init__(
        self,
        cu_path: Path | str,
        executor,
        real: str = "float",
        constants: Mapping[str, int] = MappingProxyType({}),
        suffix: str = "",
    ):
        source = module_source(cu_path, {"THREADS": THREADS, **constants})
        if suffix:
            names = "|".join(kernel_parameters(source, real))
            source = re.sub(rf"\b({names})(?=\()", rf"\1{suffix}", source)
        parameters = kernel_parameters(source, real)
        super().__init__(parameters, executor.array_type, executor.load(source, tuple(parameters), real))


def op_module(
    package: str, build: str | None, executor, real: str = "float", cu_path: Path | None = None
) -> Module:
    """The CUDA C++ of an op folder, as it stands or as one of its :func:`~registry.builds`.

    Parameters
    ----------
    package : the op folder, as an import name.
    build : its version, or None.
    executor, real : as :class:`Module` takes them.
    cu_path : another file in the place of the folder's own.
    """
    folder = import_module(package)
    path = Path(folder.__file__).with_name("cuda.cu") if cu_path is None else cu_path
    constants, suffix = getattr(folder, "CONSTANTS", {}), ""
    if build is not None:
        constants, suffix = constants | builds(package)[build], f"_{build}"
    return Module(path, executor, real, constants, suffix)


class NumbaModule(_Kernels):
    """The kernels of one ``numba_cuda.py``, compiled or interpreted.

    Parameters
    ----------
    package : the op folder, as an import name.
    real : ``"float"`` or ``"double"``, what the kernels' scalar type ``real`` stands for.
    """

    def __init__(self, package: str, executor, real: str = "float"):
        parameters = {
            op.function(kernel.version): contract_parameters(op, real)
            for op in import_module(package).OPS
            for kernel in op.kernels
            if kernel.backend == "numba_cuda"
        }
        loaded = executor.load(import_module(f"{package}.numba_cuda"), real)
        super().__init__(parameters, executor.array_type, loaded)


def module_source(cu_path: Path | str, constants: Mapping[str, int]) -> str:
    """Constants, ``common.cuh`` and the file as one text, with ``#line`` so that errors name the real file.

    One text, because CuPy caches by it and does not see what an ``#include`` pulls in.  So a file of the same
    folder that is included stands in the place of that line.
    """
    defines = "".join(f"#define {name} {value}\n" for name, value in constants.items())
    return defines + "".join(f"{_numbered(path)}\n" for path in (COMMON, Path(cu_path).resolve()))


def _numbered(path: Path) -> str:
    text = path.read_text(encoding="utf-8")

    def included(line: re.Match) -> str:
        after = text.count("\n", 0, line.end()) + 2
        return f'{_numbered(path.parent / line[1])}\n#line {after} "{path}"'

    return f'#line 1 "{path}"\n{_INCLUDE.sub(included, text)}'


def source_files(cu_path: Path) -> tuple[Path, ...]:
    """A ``.cu`` file and what it includes, in reading order."""
    included = _INCLUDE.findall(cu_path.read_text(encoding="utf-8"))
    return (cu_path, *(file for name in included for file in source_files(cu_path.parent / name)))


def kernel_parameters(source: str, real: str) -> dict[str, tuple[Parameter, ...]]:
    """What every ``extern "C" __global__ void name(...)`` in a source text declares, by name.

    Raises
    ------
    TypeError : a parameter's type is not one of ``_DTYPES``, nor ``real``.
    """
    dtypes = {**_DTYPES, "real": _DTYPES[real]}
    return {
        name: tuple(_parse(name, word, dtypes) for word in declaration.split(",") if word.strip())
        for name, declaration in _KERNEL.findall(_COMMENT.sub(" ", source))
    }


def contract_parameters(op: Op, real: str) -> tuple[Parameter, ...]:
    """What a kernel of an op takes by its contract: its arguments, then the sizes that are read off them."""
    arguments = (
        Parameter(
            a.name,
            _DTYPES[real] if a.dtype == "real" else np.dtype(a.dtype),
            pointer=a.dims is not None,
            const=a.dims is not None and a.role == "in",
        )
        for a in op.arguments
    )
    return (*arguments, *(Parameter(d, np.dtype(np.int32), pointer=False, const=False) for d in op.measured))


def _parse(kernel: str, declaration: str, dtypes: dict[str, np.dtype]) -> Parameter:
    match = _PARAMETER.fullmatch(" ".join(declaration.replace("__restrict__", " ").split()))
    if match is None or match["type"] not in dtypes:
        raise TypeError(f"{kernel}: cannot pass an argument declared as {declaration.strip()!r}")
    return Parameter(match["name"], dtypes[match["type"]], bool(match["pointer"]), bool(match["const"]))


def check_array(kernel: str, parameter: Parameter, value: Any, array_type: type) -> Any:
    """The array itself, if the kernel can take it as it is."""
    where = f"{kernel}: argument {parameter.name}"
    if not isinstance(value, array_type):
        expected = f"{array_type.__module__}.{array_type.__name__}"
        raise TypeError(f"{where} must be a {expected}, not {type(value).__module__}.{type(value).__name__}")
    if value.dtype != parameter.dtype:
        raise TypeError(f"{where} must be {parameter.dtype}, not {value.dtype}")
    if not value.flags["C_CONTIGUOUS"]:
        raise ValueError(f"{where} must be C-contiguous; its strides are {value.strides}")
    if not getattr(value.flags, "aligned", True):  # CuPy has none that is not, and none that is read-only
        raise ValueError(f"{where} must be aligned; its address is no multiple of {value.itemsize}")
    if not parameter.const and not getattr(value.flags, "writeable", True):
        raise ValueError(f"{where} is written by the kernel, and the array is read-only")
    return value


def cast_scalar(kernel: str, parameter: Parameter, value: Any) -> np.generic:
    """The number as exactly the type that the kernel declares."""
    where = f"{kernel}: argument {parameter.name}"
    kind = "i" if isinstance(value, int) else np.asarray(value).dtype.kind  # NumPy has none for 2**64
    if np.ndim(value) != 0 or kind not in ("biuf" if parameter.dtype.kind == "f" else "biu"):
        raise TypeError(f"{where} must be a number that {parameter.dtype} can hold, not {value!r}")
    try:
        return parameter.dtype.type(float(value) if parameter.dtype.kind == "f" else int(value))
    except OverflowError:
        raise ValueError(f"{where}: {value} does not fit {parameter.dtype}") from None
