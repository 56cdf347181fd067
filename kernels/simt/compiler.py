"""Compiles a ``.cu`` text for the CPU, once: the result is kept under a hash of all that goes into it."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .. import cache

HERE = Path(__file__).parent
COMPILER = "g++"
_RUNTIME = ("cuda_on_cpu.h", "fiber.h", "launch.h", "trace.h", "scheduler.cpp", "trace.cpp")
#: -g: sanitizers name lines and debuggers show them.  -fno-strict-aliasing: CUDA code reads floats as float4.
_FLAGS = ("-std=c++17", "-g", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-pthread", f"-I{HERE}")


class Sanitizer(NamedTuple):
    """How kernels are compiled for a sanitizer, what ``scheduler.cpp`` must know, the library to preload and a
    function that tells whether it was."""

    flags: tuple[str, ...]
    runtime_flags: tuple[str, ...] = ()
    library: str = ""
    hook: str = ""


SANITIZERS = {
    "": Sanitizer(("-O2",)),
    "address,undefined": Sanitizer(
        ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
        ("-DSIMT_ADDRESS",),
        "libasan.so",
        "__asan_init",
    ),
    "thread": Sanitizer(("-O1", "-fsanitize=thread"), ("-DSIMT_THREAD",), "libtsan.so", "__tsan_init"),
}

#: How kernels are compiled to be traced: a call at every access that optimising leaves.  Left out are moving
#: loads into branches, in which versions of g++ differ, and SRA, which takes copies of 16 bytes apart.  Of
#: DWARF 5, addr2line loses the names of files that #line gave.
_TRACED = ("-gdwarf-4", "-O3", "-fsanitize=thread", "-fno-tree-sra", "-fno-tree-sink")

_DYNAMIC_SHARED = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s*)?([\w ]+?)\s*\b(\w+)\s*\[\s*\]\s*;")


class BuildError(RuntimeError):
    """The kernels cannot be compiled for the CPU."""


def build(source: str, kernels: Sequence[str], real: str, sanitize: str) -> Path:
    """The shared library of a source text.

    Parameters
    ----------
    source : CUDA C++ with ``#line`` directives.
    kernels : the names of its kernels; ``simt_<name>`` in the library calls one.
    real : what ``REAL`` stands for.
    sanitize : a key of ``SANITIZERS``.

    Raises
    ------
    BuildError : g++ is missing, or does not compile the text; the message is what it says.
    """
    variant = SANITIZERS[sanitize]
    runtime = _object("scheduler.cpp", variant.runtime_flags)
    flags = [*variant.flags, f"-DREAL={real}", "-shared", str(runtime), "-x", "c++", "-"]
    return _compile(flags, translate(source, kernels), ".so")


def build_traced(source: str, kernels: Sequence[str], real: str) -> Path:
    """The same library with ``trace.cpp`` in it, which counts what kernels do to memory.

    Raises
    ------
    BuildError : as :func:`build`.
    """
    flags = [*_TRACED, f"-DREAL={real}", "-c", "-x", "c++", "-"]
    objects = [_compile(flags, translate(source, kernels), ".o")]
    objects += [_object(name, ("-DSIMT_TRACE",)) for name in ("scheduler.cpp", "trace.cpp")]
    return _compile(["-shared", "-Wl,-z,defs", *map(str, objects), "-ldl"], "", ".so")


def _object(name: str, flags: Sequence[str]) -> Path:
    # Fortified, a jump to another stack is taken for an error.
    return _compile(["-O2", "-U_FORTIFY_SOURCE", *flags, "-c", str(HERE / name)], "", ".o")


def translate(source: str, kernels: Sequence[str]) -> str:
    """The text that g++ compiles; every line keeps its number."""
    source = _DYNAMIC_SHARED.sub(r"\1 *const \2 = static_cast<\1 *>(simt::dynamic_shared());", source)
    calls = "".join(f"SIMT_KERNEL({name})\n" for name in kernels)
    return f'#include "cuda_on_cpu.h"\n{source}\n#line 1 "simt_calls"\n{calls}'


def _compile(flags: Sequence[str], text: str, suffix: str) -> Path:
    """Run g++ on a text, unless the same was done before and what it made is still there, whole."""
    runtime = "".join((HERE / name).read_text(encoding="utf-8") for name in _RUNTIME)
    key = hashlib.sha256(repr((compiler_version(), _FLAGS, flags, runtime, text)).encode()).hexdigest()
    result = cache.folder("simt") / (key + suffix)
    if cache.read(result) is not None:
        cache.mark_used(result)
        return result
    cache.prune(result.parent)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, "fresh" + suffix)
        _run([COMPILER, *_FLAGS, *flags, "-o", str(fresh)], text)
        cache.keep(result, fresh.read_bytes())
    return result


@functools.cache
def compiler_version() -> str:
    return _run([COMPILER, "--version"])


def sanitizer_path(sanitize: str) -> str:
    """The library that must be preloaded for a sanitizer."""
    name = SANITIZERS[sanitize].library
    path = _run([COMPILER, f"-print-file-name={name}"]).strip()
    if path == name:
        raise BuildError(f"{name} is not installed beside g++")
    return path


def _run(command: Sequence[str], text: str = "") -> str:
    # A sanitizer that is preloaded here is not for the compiler.
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        raise BuildError(f"{COMPILER} is not installed; the kernels run on the CPU only when it is") from None
    except OSError as error:
        raise BuildError(f"{COMPILER} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise BuildError(f"{COMPILER} failed:\n{done.stderr}")
    return done.stdout
