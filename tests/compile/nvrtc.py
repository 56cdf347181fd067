"""NVRTC, NVIDIA's run-time compiler, through its C interface: it needs neither a GPU nor a driver.

It contains ptxas, which tells what each kernel needs of a multiprocessor.  CUDA 13 dropped the architectures
before sm_75, so there are two of it, each from a wheel of its own; one process can load both.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, files, version
from typing import NamedTuple

from cgan_raw.kernels import registry
from cgan_raw.kernels.dispatch import compiled

CUDA12, CUDA13 = "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc"

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


class Target(NamedTuple):
    """What the kernels are compiled for: the compiler's wheel, the architecture, what ``real`` stands for."""

    wheel: str
    architecture: str
    real: str

    def __str__(self) -> str:
        return f"{self.architecture} {self.real}"

    def compiler(self) -> str:
        """The wheel with its version, as pip writes it; no version if it is not installed."""
        try:
            return f"{self.wheel}=={version(self.wheel)}"
        except PackageNotFoundError:
            return self.wheel


TARGETS = (
    Target(CUDA12, "sm_61", "float"),
    *(Target(CUDA13, architecture, "float") for architecture in ("sm_75", "sm_80", "sm_90", "sm_120")),
    Target(CUDA13, "sm_90", "double"),
)


class Resources(NamedTuple):
    """What ptxas says of one kernel: registers a thread, bytes of static shared memory a block, and bytes a
    thread in local memory, which lies in DRAM: stack frames, and registers spilled and loaded again."""

    registers: int
    shared: int
    stack: int
    spilled: int

    def __str__(self) -> str:
        return f"{self.registers} registers, {self.shared} bytes shared"


class CompileError(RuntimeError):
    """NVRTC refuses a text; the message is what it says."""


class Compiler:
    """An executor (kernels/launch.py) that compiles for a target, keeps ``resources`` and launches nothing.

    Attributes
    ----------
    resources : of every kernel that was loaded, by name.
    """

    array_type = type(None)

    def __init__(self, target: Target):
        self.target = target
        self.resources: dict[str, Resources] = {}

    def load(self, source: str, kernels: Sequence[str], real: str) -> None:
        """Raises CompileError, which names the lines of the real file."""
        # CuPy puts --ftz=true before every compilation.
        options = (
            f"--gpu-architecture={self.target.architecture}",
            "--std=c++17",
            f"-DREAL={real}",
            "--ftz=true",
            "--ptxas-options=-v",
        )
        self.resources |= read_resources(compile_text(self.target.wheel, source, options))


def compile_kernels(target: Target) -> dict[str, Resources]:
    """The resources of every kernel of the project, by name."""
    compiler = Compiler(target)
    load = compiled(compiler, target.real)
    for folder in registry.FOLDERS:
        load(f"{registry.__package__}.{folder}")
    return compiler.resources


def read_resources(log: str) -> dict[str, Resources]:
    """What ptxas logs with ``-v``, by kernel.

    A function that is not inlined has a frame of its own after its kernel's; they count together.
    """
    _, *entries = _ENTRY.split(log)
    resources = {}
    for name, text in zip(entries[::2], entries[1::2], strict=True):
        frames = [[int(number) for number in frame] for frame in _FRAME.findall(text)]
        registers, shared = _REGISTERS.search(text), _SHARED.search(text)
        resources[name] = Resources(
            registers=int(registers[1]),
            shared=int(shared[1]) if shared else 0,
            stack=sum(stack for stack, _, _ in frames),
            spilled=sum(stores + loads for _, stores, loads in frames),
        )
    return resources


def compile_text(wheel: str, source: str, options: Sequence[str]) -> str:
    """Compile a text; what the compiler logs.

    Raises
    ------
    CompileError : it does not compile.
    """
    nvrtc = _library(wheel)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    encoded = [option.encode() for option in options]
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"", 0, None, None))
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded))
        _check(nvrtc, nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
        log = ctypes.create_string_buffer(size.value)
        _check(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise CompileError(log.value.decode())
    return log.value.decode()


@cache
def _library(wheel: str) -> ctypes.CDLL:
    path = next(file for file in files(wheel) if re.fullmatch(r"libnvrtc\.so\.\d+", file.name))
    nvrtc = ctypes.CDLL(str(path.locate()))
    nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
    return nvrtc


def _check(nvrtc: ctypes.CDLL, code: int) -> None:
    if code:
        raise RuntimeError(nvrtc.nvrtcGetErrorString(code).decode())
