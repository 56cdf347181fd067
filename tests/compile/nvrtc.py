"""NVRTC, NVIDIA's run-time compiler, through its C interface: it needs neither a GPU nor a driver.

It contains ptxas, which tells what each kernel needs of a multiprocessor.  CUDA 13 dropped the architectures
before sm_75, so there are two of it, each from a wheel of its own; one process can load both.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import files
from typing import NamedTuple

from targets import Resources, Target, read_resources

from cgan_raw.kernels import registry
from cgan_raw.kernels.dispatch import Modules


class CompileError(RuntimeError):
    """NVRTC refuses a text; the message is what it says."""


class Compiled(NamedTuple):
    """What the compiler logs, and the machine code."""

    log: str
    code: bytes


class Compiler:
    """An executor (kernels/launch.py) that compiles for a target, keeps what comes of it and launches nothing.

    Attributes
    ----------
    resources : of every kernel that was loaded, by name.
    code : the machine code of what was loaded last, an ELF file.
    """

    backend, array_type = "cuda", type(None)

    def __init__(self, target: Target):
        self.target = target
        self.resources: dict[str, Resources] = {}
        self.code = b""

    def load(self, source: str, kernels: Sequence[str], real: str) -> None:
        """Raises CompileError, which names the lines of the real file."""
        options = (*cupy_options(self.target.architecture, real), "--ptxas-options=-v")
        log, self.code = compile_text(*self.target.wheels, source, options)
        self.resources |= read_resources(log)


def cupy_options(architecture: str, real: str) -> tuple[str, ...]:
    """What NVRTC is told by kernels/gpu.py and by CuPy itself; tests/emulate compares them."""
    return (
        "--std=c++17",
        f"-DREAL={real}",
        "-ftz=true",
        f"-arch={architecture}",
        "--device-as-default-execution-space",
    )


def compile_kernels(target: Target) -> dict[str, Resources]:
    """The resources of every kernel of the project, by name."""
    compiler = Compiler(target)
    load = Modules(compiler, target.real)
    for package in (f"{registry.__package__}.{folder}" for folder in registry.FOLDERS):
        for build in (None, *registry.builds(package)):
            load(package, build)
    return compiler.resources


def compile_text(wheel: str, source: str, options: Sequence[str]) -> Compiled:
    """Compile a text.

    Raises
    ------
    CompileError : it does not compile.
    """
    nvrtc = _library(wheel)
    program = ctypes.c_void_p()
    encoded = [option.encode() for option in options]
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"", 0, None, None))
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded))
        log = _read(nvrtc, "ProgramLog", program).rstrip(b"\0").decode()
        if failed:
            raise CompileError(log)
        return Compiled(log, _read(nvrtc, "CUBIN", program))
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _read(nvrtc: ctypes.CDLL, what: str, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(nvrtc, nvrtc[f"nvrtcGet{what}Size"](program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(nvrtc, nvrtc[f"nvrtcGet{what}"](program, buffer))
    return buffer.raw


@cache
def _library(wheel: str) -> ctypes.CDLL:
    path = next(file for file in files(wheel) if re.fullmatch(r"libnvrtc\.so\.\d+", file.name))
    nvrtc = ctypes.CDLL(str(path.locate()))
    nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
    return nvrtc


def _check(nvrtc: ctypes.CDLL, code: int) -> None:
    if code:
        raise RuntimeError(nvrtc.nvrtcGetErrorString(code).decode())
