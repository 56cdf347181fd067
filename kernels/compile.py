"""How the CPU kernels are compiled: one decorator for all of them, and what is kept of their code."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import extending, njit
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from . import cache

_HERE = Path(__file__).parent

#: ``error_model="numpy"``: a division by zero gives an infinity, as on a GPU; the test for it, which Python's
#: rules ask for, would keep every loop with a division out of SIMD.
#: ``no_cfunc_wrapper``: no code is made for callers in C, as there are none.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "no_cfunc_wrapper": True}

#: A function that only exists inside kernels.
device = njit(inline="always", **OPTIONS)

#: One that kernels call, and is compiled once for all of them.
function = njit(**OPTIONS)


def intrinsic(written: Callable) -> Callable:
    """A function that is compiled to what ``written`` writes in LLVM IR.  Numba's own, but for its type."""
    return extending.intrinsic(written)


def kernel(source: Callable) -> Callable:
    """A compiled kernel, of which each signature is compiled once and kept."""
    compiled = njit(nogil=True, **OPTIONS)(source)
    compiled._cache = _Cache(source)  # pyright: ignore[reportAttributeAccessIssue]
    return compiled


class _Cache(NullCache):
    """What Numba asks for a function's code.

    Its own cache sees whether the file of a function has changed, not those of the functions inlined into it;
    and a damaged file or a full disk is an error there.
    """

    def __init__(self, function: Callable):
        self._function = function
        self._kept = function.__module__.startswith(f"{__package__}.")  # of others, the sources are not known

    def load_overload(self, signature, target):
        target.refresh()
        content = cache.read(self._path(signature, target.codegen())) if self._kept else None
        return None if content is None else CompileResult._rebuild(target, *pickle.loads(content))

    def save_overload(self, signature, result) -> None:
        if not self._kept or result.library.has_dynamic_globals:  # an address of this process
            return
        with contextlib.suppress(OSError):  # it is compiled anew next time
            cache.keep(self._path(signature, result.codegen), dumps(result._reduce()))

    def _path(self, signature, codegen) -> Path:
        function = self._function
        key = (function.__code__.co_firstlineno, str(signature), codegen.magic_tuple())
        name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        return _folder() / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"


@functools.cache
def _folder() -> Path:
    """Where the code from these sources by these versions is kept, made as Numba's variables say."""
    versions = (sys.version, numba.__version__, llvmlite.__version__, np.__version__)
    variables = sorted(each for each in os.environ.items() if each[0].startswith("NUMBA_"))
    variables = [each for each in variables if each[0] != "NUMBA_NUM_THREADS"]
    place = cache.folder("numba") / sources_digest(_HERE, (*versions, *variables))
    if not place.is_dir():
        cache.prune(place.parent)
    else:
        cache.mark_used(place)
    return place


def sources_digest(folder: Path, versions: tuple) -> str:
    """A digest of every Python file below a folder, and of versions: what compiled code is made from."""
    digest = hashlib.sha256(repr(versions).encode())
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]
