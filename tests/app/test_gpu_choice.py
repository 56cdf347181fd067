"""What is done with a GPU's packages before anything is launched; no GPU is needed."""

import pytest
from commands import outcome, start

#: Looks for a GPU where ``cuda.jit`` makes something that warns as Numba's kernels do.
PROBE = """
import warnings
from numba import cuda

class Kernel:
    def __getitem__(self, geometry):
        if cuda.config.CUDA_LOW_OCCUPANCY_WARNINGS:
            warnings.warn("low occupancy")
        return lambda: print("launched", geometry)

cuda.is_available, cuda.jit = lambda: True, lambda function: Kernel()
from cgan_raw.devices import gpu
gpu._probe_numba()
"""


@pytest.fixture
def numba_gpu():
    pytest.importorskip("numba.cuda", reason="needs numba-cuda, or a Numba with its own")
    from cgan_raw.kernels import numba_gpu

    return numba_gpu


def test_looking_for_a_gpu_by_numba_warns_of_nothing(tmp_path):
    """A launch of one block is one that Numba warns about, unless it is told not to."""
    pytest.importorskip("numba.cuda", reason="needs numba-cuda, or a Numba with its own")
    result = outcome(start("-W", "error", "-c", PROBE, cwd=tmp_path))
    assert (result.code, result.out, result.err) == (0, "launched (1, 1)\n", "")


def test_kernels_are_compiled_once_whatever_the_stream(numba_gpu):
    from cgan_raw.kernels.activation import numba_cuda as module

    loaded = [
        numba_gpu.Executor(stream).load(module, real) for stream in (1, 2) for real in ("float", "double")
    ]
    first, double, second, _ = (one._kernels["leaky_relu_forward"] for one in loaded)
    assert first is second
    assert first is not double
    assert [one._stream for one in loaded] == [1, 1, 2, 2]
