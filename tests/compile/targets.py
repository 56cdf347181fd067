"""What the kernels are compiled for, and what ptxas says that they need there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import pytest

CUDA12, CUDA13 = "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc"

#: All that has a say in the machine code of a Numba CUDA kernel.
NUMBA = ("numba", "llvmlite", "numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink")

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


class Target(NamedTuple):
    """The language of the kernels (a backend), the wheels that compile it, the architecture, and ``real``."""

    language: str
    wheels: tuple[str, ...]
    architecture: str
    real: str

    def __str__(self) -> str:
        return f"{self.language} {self.architecture} {self.real}"


def installed(wheels: Sequence[str]) -> str:
    """The wheels with their versions, as pip writes them; no version of one that is not there."""
    return " ".join(map(_installed, wheels))


def _installed(wheel: str) -> str:
    try:
        return f"{wheel}=={version(wheel)}"
    except PackageNotFoundError:
        return wheel


def pinned(wheels: Sequence[str]) -> str:
    """The same as pyproject.toml asks for them."""
    extra = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]["compile"]
    requirements = {r.partition("==")[0].partition("[")[0]: r.replace("[cu13]", "") for r in extra}
    return " ".join(requirements[wheel] for wheel in wheels)


def need(wheels: Sequence[str]) -> None:
    """Skip the test where others are installed, or none."""
    if installed(wheels) != pinned(wheels):
        pytest.skip(f"needs {pinned(wheels)}: make compile")


TARGETS = (
    Target("cuda", (CUDA12,), "sm_61", "float"),
    *(
        Target("cuda", (CUDA13,), architecture, "float")
        for architecture in ("sm_75", "sm_80", "sm_90", "sm_120")
    ),
    Target("cuda", (CUDA13,), "sm_90", "double"),
    *(Target("numba_cuda", NUMBA, architecture, "float") for architecture in ("sm_75", "sm_90")),
)


class Resources(NamedTuple):
    """What ptxas says of one kernel: registers per thread, bytes of static shared memory per block, and bytes
    per thread in local memory, which lies in DRAM: stack frames, and registers spilled and loaded again."""

    registers: int
    shared: int
    stack: int
    spilled: int

    def __str__(self) -> str:
        return f"{self.registers} registers, {self.shared} bytes shared"


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
