"""The emulated GPU's memory: what is out of bounds, freed or in the wrong place is an error."""

import gc

import numpy as np
import pytest

FLOATS = 64


@pytest.fixture
def runtime(cupy):
    return cupy.cuda.runtime


@pytest.fixture
def block(cupy):
    """The address of 256 bytes on the device, which has nothing else."""
    return cupy.cuda.alloc(4 * FLOATS)


@pytest.fixture
def host():
    return np.arange(2 * FLOATS, dtype=np.float32)


def copy(runtime, to, source, size, kind):
    runtime.memcpyAsync(to, source, size, kind, 0)
    runtime.deviceSynchronize()


def test_a_copy_within_an_allocation(runtime, block, host):
    back = np.zeros_like(host)
    copy(runtime, block.ptr + 4, host.ctypes.data, 8, runtime.memcpyHostToDevice)
    copy(runtime, back.ctypes.data, block.ptr + 4, 8, runtime.memcpyDeviceToHost)
    np.testing.assert_array_equal(back[:3], [0, 1, 0])


@pytest.mark.parametrize("offset", [4, 4 * FLOATS - 4])
def test_a_copy_that_runs_out_of_an_allocation(runtime, block, host, offset, told):
    size = 4 * FLOATS
    for to, source, kind in (
        (block.ptr + offset, host.ctypes.data, runtime.memcpyHostToDevice),
        (host.ctypes.data, block.ptr + offset, runtime.memcpyDeviceToHost),
        (block.ptr + offset, block.ptr, runtime.memcpyDeviceToDevice),
    ):
        with pytest.raises(runtime.CUDARuntimeError, match="INVALID_VALUE"):
            copy(runtime, to, source, size, kind)
    refused = told("refused")
    assert len(refused) == 3
    assert all(f"of which {size - offset} are device memory" in line for line in refused)
    assert all(", at tests/emulate/test_device_memory.py:" in line for line in refused)


def test_a_fill_of_a_wrong_size(runtime, block):
    runtime.memsetAsync(block.ptr, 0, 4 * FLOATS, 0)
    with pytest.raises(runtime.CUDARuntimeError, match="INVALID_VALUE"):
        runtime.memsetAsync(block.ptr, 0, 4 * FLOATS + 1, 0)


def test_a_fill_of_host_memory(runtime, host):
    with pytest.raises(runtime.CUDARuntimeError, match="INVALID_VALUE"):
        runtime.memsetAsync(host.ctypes.data, 0, 8, 0)


def test_a_copy_in_the_wrong_direction(runtime, block, host):
    with pytest.raises(runtime.CUDARuntimeError, match="INVALID_DIRECTION"):
        copy(runtime, host.ctypes.data, block.ptr, 8, runtime.memcpyHostToDevice)
    copy(runtime, host.ctypes.data, block.ptr, 8, runtime.memcpyDefault)
    assert np.isnan(host[:2]).all()


def test_what_was_freed_is_not_to_be_used(runtime, host):
    address = runtime.malloc(32)
    runtime.free(address)
    for action in (
        lambda: runtime.memsetAsync(address, 0, 4, 0),
        lambda: copy(runtime, host.ctypes.data, address + 4, 4, runtime.memcpyDefault),
        lambda: runtime.free(address),
    ):
        with pytest.raises(runtime.CUDARuntimeError, match="INVALID_VALUE"):
            action()


def test_memory_is_given_out_once(runtime):
    """So that a pointer to what was freed is never one to something else."""
    addresses = set()
    for _ in range(20):
        addresses.add(runtime.malloc(32))
        runtime.free(max(addresses))
    assert len(addresses) == 20


def test_what_was_freed_is_nan_again(runtime):
    import ctypes

    address = runtime.malloc(32)
    runtime.memsetAsync(address, 0, 32, 0)
    runtime.free(address)
    assert ctypes.string_at(address, 32) == b"\xff" * 32


def test_free_waits_for_the_device(runtime, cupy, host):
    """As CUDA's does: what was enqueued before may use the memory."""
    address, x = runtime.malloc(32), cupy.empty(8, "f4")
    stream = cupy.cuda.Stream(non_blocking=True)
    runtime.memsetAsync(address, 0, 32, stream.ptr)
    runtime.memcpyAsync(x.data.ptr, address, 32, runtime.memcpyDeviceToDevice, stream.ptr)
    runtime.free(address)
    assert not x.get(stream).any()


def test_pinned_memory_that_is_freed_before_its_copy(runtime, block, cupy, told):
    stream, pinned = cupy.cuda.Stream(non_blocking=True), runtime.hostAlloc(32, 0)
    runtime.memcpyAsync(block.ptr, pinned, 32, runtime.memcpyHostToDevice, stream.ptr)
    runtime.freeHost(pinned)
    with pytest.raises(runtime.CUDARuntimeError, match="ILLEGAL_ADDRESS"):
        stream.synchronize()
    (problem,) = told("problem")
    assert problem.startswith("a copy of 32 bytes: ")
    assert problem.endswith("is pinned host memory that has been freed")


def test_no_call_succeeds_after_a_fault(runtime, block, cupy):
    stream, pinned = cupy.cuda.Stream(non_blocking=True), runtime.hostAlloc(32, 0)
    runtime.memcpyAsync(block.ptr, pinned, 32, runtime.memcpyHostToDevice, stream.ptr)
    runtime.freeHost(pinned)
    for action in (stream.synchronize, lambda: runtime.malloc(32), cupy.cuda.Stream.null.synchronize):
        with pytest.raises(runtime.CUDARuntimeError, match="ILLEGAL_ADDRESS"):
            action()


def test_memory_comes_to_an_end(runtime, cupy):
    gc.collect()
    free, total = runtime.memGetInfo()
    address = runtime.malloc(2**20)
    assert runtime.memGetInfo() == (free - 2**20, total)
    with pytest.raises(cupy.cuda.memory.OutOfMemoryError):
        cupy.cuda.MemoryPool().malloc(free)
    runtime.free(address)
    assert runtime.memGetInfo() == (free, total)


def test_what_is_not_emulated_says_so(runtime, told, capfd):
    with pytest.raises(runtime.CUDARuntimeError, match="NOT_SUPPORTED"):
        runtime.mallocManaged(32)
    (problem,) = told("problem")
    assert problem.startswith("cudaMallocManaged: this function is not emulated, at tests/emulate/")
    assert problem in capfd.readouterr().err
