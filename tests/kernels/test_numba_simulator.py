"""The Numba CUDA kernels in Numba's own simulator: a second opinion on what they say.

The interpreter of kernels/simt has its own idea of ``cuda``; this one is Numba's.  A variable of the
environment turns it on for a whole process, so that is one of its own.  Each CUDA thread is a thread of the
system there.
"""

import importlib
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from cgan_raw.kernels import numba_common
from cgan_raw.kernels.numba_source import bind
from cgan_raw.kernels.registry import FOLDERS, ops

from cgan_raw.testing import assert_matches_reference, make_arguments

_NO_WARPS = "split_k"  # the simulator has no syncwarp


def test_every_kernel_agrees_with_the_reference():
    pytest.importorskip("numba.cuda", reason="needs numba-cuda, or a Numba with its own")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    expected = [op.function(kernel.version) for op, kernel in _kernels()]
    assert done.stdout.split() == expected


def _kernels():
    for op in ops().values():
        for kernel in op.kernels:
            if kernel.backend == "numba_cuda" and kernel.version != _NO_WARPS:
                yield op, kernel


def _compiled():
    """Every kernel by name."""
    from numba import cuda

    words = {
        "cuda": cuda,
        "real": np.float32,
        "sinpi": lambda x: np.float32(math.sin(math.pi * x)),
        "cospi": lambda x: np.float32(math.cos(math.pi * x)),
    }
    found = {}
    for folder in FOLDERS:
        module = importlib.import_module(f"cgan_raw.kernels.{folder}.numba_cuda")
        found |= bind(module, numba_common, words, lambda f, role: cuda.jit(f, device=role == "device"))
    return found


def _check(op, kernel, function):
    def launch(*arguments):
        sizes = op.sizes(arguments)
        grid, block = kernel.launch(**sizes)
        values = [_typed(*pair) for pair in zip(op.arguments, arguments, strict=True)]
        function[grid, block](*values, *sizes.values())

    sizes = {d: 3 + 2 * i for i, d in enumerate(op.dims)}
    assert_matches_reference(op, launch, make_arguments(op, sizes, np.random.default_rng(1)))


def _typed(argument, value):
    if argument.dims is not None:
        return value
    return (np.float32 if argument.dtype == "real" else np.dtype(argument.dtype).type)(value)


def _share_one_by_one():
    """Two threads that ask for a shared array at the same moment would get one each."""
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    lock = threading.Lock()

    def array(self, shape, dtype):
        caller = sys._getframe(1)
        with lock:
            return self._allocations.setdefault((caller.f_code, caller.f_lineno), np.empty(shape, dtype))

    FakeCUDAShared.array = array


if __name__ == "__main__":
    _share_one_by_one()
    functions = _compiled()
    with np.errstate(over="ignore"):
        for op, kernel in _kernels():
            name = op.function(kernel.version)
            _check(op, kernel, functions[name])
            print(name, flush=True)
