"""The machine code (SASS) of CUDA C++ kernels, as NVIDIA's disassembler shows it: it needs no GPU either."""

from __future__ import annotations

import re
import subprocess
from collections import Counter, defaultdict
from functools import cache
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

DISASSEMBLER = "nvidia-cuda-nvdisasm"

_KERNEL = re.compile(r"^\.text\.(\w+):")
_LABEL = re.compile(r"^\.L_")
_INSTRUCTION = re.compile(
    r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+ )?(?P<name>[A-Z]\w*)(?P<dotted>[.\w]*)\s*(?P<to>\w*)"
)
_BITS = re.compile(r"\.[US]?(8|16|64|128)\b")
_ACCESSES = {"LDG", "STG", "LDS", "STS", "LDGSTS", "LDL", "STL", "LD", "ST"}
_ENDS_BLOCK = {"BRA", "EXIT"}


class Instruction(NamedTuple):
    """An instruction's name, and the bytes of a lane if it accesses memory, else 0.

    LDG and STG access global memory, LDS and STS shared memory; LDGSTS copies from one to the other.
    """

    name: str
    width: int


def disassembled(code: bytes) -> dict[str, list[Counter[Instruction]]]:
    """Of each kernel in an ELF file the basic blocks, each as how often it has an instruction.

    Left out are loads into nothing, which NVIDIA's compiler puts beside LDGSTS.
    """
    blocks = defaultdict(list)
    kernel = []
    for line in _listing(code).splitlines():
        if start := _KERNEL.match(line):
            kernel = blocks[start[1]]
        if start or _LABEL.match(line):
            kernel.append(Counter())
        if found := _INSTRUCTION.match(line):
            name, bits = found["name"], _BITS.search(found["dotted"])
            if name not in _ACCESSES:
                kernel[-1][Instruction(name, 0)] += 1
            elif found["to"] != "RZ":
                kernel[-1][Instruction(name, int(bits[1]) // 8 if bits else 4)] += 1
            if name in _ENDS_BLOCK:
                kernel.append(Counter())
    return dict(blocks)


def _listing(code: bytes) -> str:
    with TemporaryDirectory() as folder:
        file = Path(folder, "kernels.cubin")
        file.write_bytes(code)
        return subprocess.run([_program(), "-c", file], capture_output=True, text=True, check=True).stdout


@cache
def _program() -> str:
    return str(next(file for file in files(DISASSEMBLER) if file.name == "nvdisasm").locate())
