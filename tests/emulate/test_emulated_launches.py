"""Kernels on the emulated GPU: CuPy and NVRTC compile and launch them, SIMT runs them when their turn comes."""

import numpy as np
import pytest
from commands import outcome, start

SOURCE = """
extern "C" __global__ void add(float* y, const float* x, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + a;
}
extern "C" __global__ void fail() { __trap(); }
"""
COUNT = 100
#: A process that ends by the error.
STOPPED = f"""
import cupy
cupy.cuda.set_allocator(None)
x = cupy.empty({COUNT}, "f4")
module = cupy.RawModule(code=r'''{SOURCE}''', options=("--std=c++17", "-DREAL=float"))
module.get_function("fail")((1,), (1,), ())
cupy.cuda.Device().synchronize()
"""


@pytest.fixture
def module(cupy):
    return cupy.RawModule(code=SOURCE, options=("--std=c++17", "-DREAL=float"))


@pytest.fixture
def stream(cupy):
    return cupy.cuda.Stream(non_blocking=True)


@pytest.fixture
def add(module, stream):
    """A function that enqueues y = x + a."""
    kernel = module.get_function("add")

    def launch(y, x, a, grid=2, block=64):
        kernel((grid,), (block,), (y, x, np.float32(a), np.int32(COUNT)), stream=stream)

    return launch


@pytest.fixture
def x(cupy, stream):
    array = cupy.empty(COUNT, "f4")
    array.set(np.arange(COUNT, dtype="f4"), stream)
    return array


def test_a_kernel_runs(add, x, stream):
    add(x, x, 1.5)
    add(x, x, 0.25)
    np.testing.assert_array_equal(x.get(stream), np.arange(COUNT, dtype="f4") + 1.75)


def test_a_kernel_runs_when_its_turn_comes(add, x, stream, cupy):
    add(x, x, 1)
    stream.synchronize()
    add(x, x, 1)
    at_once = x.get(cupy.cuda.Stream(non_blocking=True))
    np.testing.assert_array_equal(at_once, np.arange(COUNT) + 1)
    np.testing.assert_array_equal(x.get(stream), np.arange(COUNT) + 2)


@pytest.mark.parametrize(("grid", "block"), [(2, 1025), (2**31, 1)])
def test_grids_that_no_gpu_takes(add, x, cupy, grid, block):
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="INVALID_VALUE"):
        add(x, x, 1, grid, block)


def test_a_name_that_the_machine_code_lacks(module, cupy):
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="NOT_FOUND"):
        module.get_function("subtract")


def test_source_that_does_not_compile(cupy):
    with pytest.raises(cupy.cuda.compiler.CompileException, match="expected"):
        cupy.RawModule(code='extern "C" __global__ void add(float* y) { y[0] = ; }').get_function("add")


def test_options_are_those_of_make_compile(cupy, stream, told, monkeypatch):
    """Its table of registers is of the machine code that runs.  Where CuPy's headers lie is left out."""
    from nvrtc import cupy_options

    from cgan_raw.kernels.gpu import Executor

    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")  # where nothing but this test compiles this text
    Executor(stream).load(f"{SOURCE}// options", ["add"], "float")
    (options,) = told("compiled")
    assert tuple(o for o in options.split() if not o.startswith("-I")) == cupy_options("sm_90", "float")


def test_an_array_that_is_freed_before_its_kernel_runs(add, x, stream, cupy, told):
    """The graph keeps its address alone."""
    y = cupy.empty(COUNT, "f4")
    stream.begin_capture()
    add(x, y, 1)
    graph = stream.end_capture()
    del y
    graph.launch(stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="ILLEGAL_ADDRESS"):
        stream.synchronize()
    (problem,) = told("problem")
    assert problem.startswith("a graph of 1: add: argument x: ")
    assert problem.endswith("is device memory that has been freed")


def test_a_pointer_to_host_memory(module, x, stream, cupy):
    host = np.zeros(COUNT, "f4")
    arguments = (x, np.uint64(host.ctypes.data), np.float32(1), np.int32(COUNT))
    module.get_function("add")((2,), (64,), arguments, stream=stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="ILLEGAL_ADDRESS"):
        stream.synchronize()


def test_no_launch_succeeds_after_a_fault(module, add, x, stream, cupy):
    module.get_function("fail")((1,), (1,), (), stream=stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        stream.synchronize()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="LAUNCH_FAILURE"):
        add(x, x, 1)
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="LAUNCH_FAILURE"):
        cupy.cuda.driver.ctxGetCurrent()


def test_a_process_ends_in_order_after_a_fault(tmp_path):
    """Arrays and modules die when there is no Python left to answer."""
    result = outcome(start("-c", STOPPED, cwd=tmp_path))
    assert result.code == 1, result
    assert result.err.count("LAUNCH_FAILURE: CUDA_ERROR_LAUNCH_FAILURE\n") >= 1


def test_a_kernel_that_stops(module, stream, cupy, told):
    module.get_function("fail")((1,), (1,), (), stream=stream)
    assert told("problem") == []
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="LAUNCH_FAILURE"):
        stream.synchronize()
    (problem,) = told("problem")
    assert problem.startswith("fail: block (0, 0, 0): thread (0, 0, 0): __trap")


def test_a_kernel_of_cupys_own_says_that_it_is_not_emulated(cupy, told):
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="NOT_SUPPORTED"):
        cupy.ones(4, "f4")
    (problem,) = told("problem")
    assert "a kernel of CuPy's own" in problem
