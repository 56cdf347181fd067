"""From what CuPy loads as machine code to a kernel that runs on the CPU.

NVRTC compiles as it does for a GPU.  In place of the machine code CuPy gets an *image*: the source, the options
and the names of the kernels that the machine code has.  The project's SIMT executor runs the source.
"""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from cgan_raw.kernels import launch, simt

from . import report
from .device import MEMORY
from .errors import CudaError, Status

_SECTION = re.compile(rb"\0\.text\.(\w+)(?=\0)")  # the machine code of a kernel is a section of its own
_REAL = "-DREAL="
_MOST_GRID, _MOST_BLOCK, _MOST_THREADS = (2**31 - 1, 65_535, 65_535), (1024, 1024, 64), 1024


def image(machine_code: bytes, source: str, options: Sequence[str]) -> bytes:
    """What stands for the machine code that NVRTC made of a source."""
    report.write("compiled", " ".join(options))
    names = sorted({name.decode() for name in _SECTION.findall(machine_code)})
    return json.dumps({"source": source, "options": options, "kernels": names}).encode()


class Module:
    """An image that has been loaded."""

    def __init__(self, image: bytes):
        read = json.loads(image)
        self._source, self._names = read["source"], read["kernels"]
        reals = [o.removeprefix(_REAL) for o in read["options"] if o.startswith(_REAL)]
        self._real = reals[0] if reals else "float"

    def kernel(self, name: str) -> Kernel:
        if name not in self._names:
            raise CudaError(Status.NOT_FOUND, f"no kernel {name}")
        return Kernel(self, name)

    @cached_property
    def declarations(self) -> dict[str, tuple[launch.Parameter, ...]]:
        """What each kernel takes; of no kernel if the source is none of this project's."""
        try:
            return launch.kernel_parameters(self._source, self._real)
        except TypeError:
            return {}

    @cached_property
    def library(self) -> simt.Library:
        """The kernels, compiled for the CPU when one is first launched."""
        return simt.Executor().load(self._source, tuple(self.declarations), self._real)


class Kernel:
    """A kernel of a module."""

    def __init__(self, module: Module, name: str):
        self._module, self.name = module, name
        self._parameters = module.declarations.get(name)

    def bind(self, grid: tuple, block: tuple, shared: int, arguments: int) -> Callable[[], None]:
        """A launch, to be done later; the arguments, an array of pointers to values, are read now.

        Raises
        ------
        CudaError : a grid or block that no GPU takes.
        NotImplementedError : the kernel is not one of this project's.
        """
        if self._parameters is None:
            raise NotImplementedError(f"a kernel of CuPy's own, {self.name},")
        sizes = zip((*grid, *block), (*_MOST_GRID, *_MOST_BLOCK), strict=True)
        if not all(1 <= size <= most for size, most in sizes) or np.prod(block) > _MOST_THREADS:
            raise CudaError(Status.INVALID_VALUE, f"{self.name}: grid {grid}, block {block}")
        addresses = (ctypes.c_void_p * len(self._parameters)).from_address(arguments)
        values = [_read(p, address) for p, address in zip(self._parameters, addresses, strict=True)]
        library = self._module.library

        def run() -> None:
            for parameter, value in zip(self._parameters, values, strict=True):
                if parameter.pointer:
                    self._check(parameter, int(value))
            try:
                library.launch(self.name, grid, block, values, shared)
            except simt.KernelError as error:
                raise CudaError(Status.LAUNCH_FAILURE, str(error).removeprefix(f"{self.name}: ")) from None

        return run

    def _check(self, parameter: launch.Parameter, address: int) -> None:
        try:
            MEMORY.check(address)
        except CudaError as error:
            raise CudaError(error.status, f"argument {parameter.name}: {error}") from None


def _read(parameter: launch.Parameter, address: int) -> np.generic:
    dtype = np.dtype(np.uint64) if parameter.pointer else parameter.dtype
    return np.frombuffer(ctypes.string_at(address, dtype.itemsize), dtype)[0]
