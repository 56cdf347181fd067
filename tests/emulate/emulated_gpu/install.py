"""Puts the emulated GPU under CuPy: before CuPy is loaded, and once its compiler is.

CuPy's wheel has the CUDA runtime in it, with its symbols.  The first bytes of each of its functions are
overwritten, in memory, by a jump to Python.  The driver is a library of jumps of our own, which CuPy finds
loaded under the driver's name.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.util
import mmap
import os
import re
import struct
import subprocess
import tempfile
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from cgan_raw.kernels import cache
from cgan_raw.kernels.simt.compiler import COMPILER

from . import kernels
from .driver import DRIVER, error_text
from .runtime import RUNTIME

_NAME_OF_ERROR = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int)(error_text)
_FUNCTION = re.compile("cuda[A-Z]")
_JUMP, _JUMP_BYTES = b"\xff\x25\0\0\0\0", 14  # jmp *0(%rip): to the address that follows
_SUCCEED = b"\x31\xc0\xc3"  # xor %eax, %eax; ret
_DRIVER = "libcuda.so.1"

_protect = ctypes.CDLL(None).mprotect
_protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def install() -> None:
    """Replace runtime and driver in this process.  CuPy must not be loaded yet.

    At its end both do nothing and say that all went well: arrays die when there is no Python left to answer.
    """
    os.environ["CUPY_CACHE_DIR"] = str(cache.folder("emulated_gpu") / "cupy")  # of images, no machine code
    table = _load_driver()
    code = _patch_runtime()

    @atexit.register
    def answer_without_python() -> None:
        for address in code:
            _overwrite(address, _SUCCEED)
        table[:] = [code[0]] * len(table)


# The runtime --------------------------------------------------------------------------------------------------


class _Symbol(NamedTuple):
    name: str
    offset: int
    size: int


def _patch_runtime() -> list[int]:
    """The addresses of the functions that lead to Python now."""
    for name in ("cudaGetErrorName", "cudaGetErrorString"):
        RUNTIME.functions[name] = _NAME_OF_ERROR
    (folder,) = importlib.util.find_spec("cupy_backends").submodule_search_locations
    (path,) = Path(folder, "cuda", "api").glob("runtime.*.so")
    symbols = _symbols(path)
    entry = next(symbol for symbol in symbols if symbol.name == "PyInit_runtime")
    base = ctypes.cast(ctypes.CDLL(str(path))[entry.name], ctypes.c_void_p).value - entry.offset
    functions = [symbol for symbol in symbols if _FUNCTION.match(symbol.name)]
    for name, offset, size in functions:
        if size < _JUMP_BYTES:
            raise RuntimeError(f"{name} has no room for a jump")
        _overwrite(base + offset, _JUMP + struct.pack("<Q", RUNTIME.address(name)))
    return [base + offset for _, offset, _ in functions]


def _symbols(path: Path) -> list[_Symbol]:
    """The functions of a library, those that it keeps to itself included."""
    command = ["nm", "--print-size", "--defined-only", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    words = (line.split() for line in lines)
    return [_Symbol(w[3], int(w[0], 16), int(w[1], 16)) for w in words if len(w) == 4 and w[2] in "tT"]


def _overwrite(address: int, code: bytes) -> None:
    start = address - address % mmap.PAGESIZE
    if _protect(start, address + len(code) - start, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) != 0:
        raise OSError("this system lets no code be written")
    ctypes.memmove(address, code, len(code))


# The driver ---------------------------------------------------------------------------------------------------


def _load_driver() -> ctypes.Array:
    """The addresses that its functions lead to."""
    names = sorted(DRIVER.functions)
    library = ctypes.CDLL(str(_build_driver(names)), ctypes.RTLD_GLOBAL)
    table = (ctypes.c_void_p * len(names)).in_dll(library, "table")
    table[:] = [DRIVER.address(name) for name in names]
    return table


def _build_driver(names: list[str]) -> Path:
    """A library whose functions jump to the addresses in its table."""
    text = _assembly(names)
    path = cache.folder("emulated_gpu") / hashlib.sha256(text.encode()).hexdigest() / _DRIVER
    if cache.read(path) is None:
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder, _DRIVER)
            command = [COMPILER, "-shared", f"-Wl,-soname,{_DRIVER}", "-x", "assembler", "-", "-o", str(fresh)]
            subprocess.run(command, input=text, text=True, check=True)
            cache.keep(path, fresh.read_bytes())
    return path


def _assembly(names: list[str]) -> str:
    functions = "".join(
        f".globl {name}\n.type {name}, @function\n{name}: jmp *own_table+{8 * i}(%rip)\n"
        for i, name in enumerate(names)
    )
    return f""".text
{functions}
.bss
.globl table
.type table, @object
.size table, {8 * len(names)}
.balign 8
table:
own_table:  # the linker may let another library's table take the place of the one above
.zero {8 * len(names)}
.section .note.GNU-stack, "", @progbits
"""


# The compiler -------------------------------------------------------------------------------------------------


def keep_sources(compiler: ModuleType) -> None:
    """Have cupy.cuda.compiler compile as ever, but load images in place of machine code."""
    program = compiler._NVRTCProgram
    compile_ = program.compile

    @wraps(compile_)
    def compile_and_keep(self, options=(), log_stream=None):
        result, mapping = compile_(self, options, log_stream)
        if self.method == "cubin":
            result = kernels.image(result, self.src, options)
        return result, mapping

    program.compile = compile_and_keep
