"""The Numba CUDA kernels in Numba's own simulator: a second opinion on what they say.

The interpreter of kernels/simt has its own idea of ``cuda``; this one is Numba's.  A variable of the
environment turns it on for a whole process, so that is one of its own.  Each CUDA thread is a thread of the
system there.
"""

import os
import subprocess
import sys
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from cases import fitted

from cgan_raw.kernels import numba_common
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.numba_source import bind
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt import interpreter
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


class Executor:
    """Launches on Numba's simulator."""

    backend, array_type = "numba_cuda", np.ndarray

    def load(self, module, real):
        from numba import cuda

        def make(function, role):
            return cuda.jit(function, device=role == "device")

        kernels = bind(module, numba_common, interpreter.words(cuda, real), make)
        return SimpleNamespace(launch=partial(_launch, kernels))


def _launch(kernels, name, grid, block, arguments, shared, cooperative):
    with np.errstate(over="ignore"):  # words wrap round, as on a GPU
        kernels[name][grid, block](*arguments)


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
    modules = Modules(Executor())
    for op, kernel in _kernels():
        sizes = fitted(op, {d: 3 + 2 * i for i, d in enumerate(op.dims)}, small=True)
        launched = LaunchedOp(op, modules, kernel.version)
        assert_matches_reference(op, launched, make_arguments(op, sizes, np.random.default_rng(1)))
        print(op.function(kernel.version), flush=True)
