"""The backends that compute on an NVIDIA GPU, and what keeps one from being used.

CUDA C++ comes through CuPy, Numba CUDA through numba-cuda; with Numba's kernels CuPy is only needed to record
an iteration as a CUDA graph.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..console.installing import how_to_install
from ..errors import InputError, explain
from .backend import Backend
from .gpu_extra import gpu_extra

#: What runs the kernels of each language: import name, package.
_PACKAGES = {"cuda": ("cupy", "CuPy"), "numba": ("numba_cuda", "numba-cuda")}

#: What was asked for, and what can be asked for instead.
_IN_WORDS = {
    "cuda": ("--device gpu", "--device cpu works"),
    "numba": ("--kernels numba", "--device cpu works, without --kernels"),
}


def gpu_backend(tf32: bool, graph: bool, kernels: str) -> Backend:
    """The backend of a language of kernels; InputError if it cannot be used here."""
    reason = fault(kernels)
    if reason is not None:
        flag, way_out = _IN_WORDS[kernels]
        raise InputError(f"{flag}: {reason}{_remedy(kernels)}; {way_out}")
    return _numba_backend(graph) if kernels == "numba" else _cuda_backend(tf32, graph)


@cache
def fault(kernels: str = "cuda") -> str | None:
    """What keeps the GPU from being used, in words; None if nothing does.  It tries once."""
    module, package = _PACKAGES[kernels]
    if importlib.util.find_spec(module) is None:
        return f"{package} is not installed"
    try:
        _PROBES[kernels]()
    except ImportError as error:
        return f"{package} does not load ({explain(error)}): is it the wheel for this driver's CUDA?"
    except Exception as error:  # errors of the driver: their classes are only there if the package loads
        return f"no GPU that {package} can use: {explain(error)} (is the NVIDIA driver there, and new enough?)"
    return None


def _remedy(kernels: str) -> str:
    """How a package that is missing is installed; nothing if it is there."""
    module, _ = _PACKAGES[kernels]
    if importlib.util.find_spec(module) is not None:
        return ""
    extra = gpu_extra()
    older = "" if extra else ", or with '[cu12]' for an older GPU"
    return f" ({how_to_install(extra or 'cu13')}{older})"


# CUDA C++ -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CudaBackend(Backend):
    """CuPy's arrays on the current CUDA device, all work on a stream of its own, or aside on another one."""

    stream: Any
    graph: bool
    executor: Any
    side: Any

    def zeros(self, shape, dtype=None):
        array = self._new(shape, self.real if dtype is None else dtype)
        array.data.memset_async(0, array.nbytes, self.stream)  # CuPy's zeros and assignments use another stream
        return array

    def upload(self, array):
        copy = self._new(array.shape, array.dtype)
        self.write(copy, array)
        return copy

    def write(self, array, values):
        array.set(np.ascontiguousarray(values, array.dtype), self.stream)

    def download(self, array):
        values = array.get(self.stream)
        self.stream.synchronize()
        return values

    def _new(self, shape, dtype):
        """An array that nothing uses any more: CuPy's pool may have had it back before its work was done."""
        import cupy

        with _memory_errors():
            array = cupy.empty(shape, dtype)
        cupy.cuda.runtime.deviceSynchronize()
        return array

    @contextmanager
    def aside(self):
        _wait(self.side, self.stream)
        with self.executor.on(self.side):
            yield

    def join(self):
        _wait(self.stream, self.side)

    def repeat(self, run):
        from ..kernels.gpu import Recorder

        return Recorder(run, self.stream) if self.graph else super().repeat(run)


def _wait(stream: Any, other: Any) -> None:
    """What is enqueued on a stream from now on comes after all that was on another one."""
    import cupy

    stream.wait_event(other.record(cupy.cuda.Event(disable_timing=True)))


def _cuda_backend(tf32: bool, graph: bool) -> CudaBackend:
    import cupy

    from ..kernels import dispatch, gpu

    stream, side = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    executor = gpu.Executor(stream)
    ops = dispatch.table(executor, tf32=tf32)
    return CudaBackend("gpu", _describe_by_cupy(), np.dtype(np.float32), ops, stream, graph, executor, side)


def _probe_cupy() -> None:
    import cupy

    cupy.cuda.runtime.getDeviceCount()
    cupy.RawModule(code='extern "C" __global__ void probe() {}').get_function("probe")


def _describe_by_cupy() -> str:
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    version = cupy.cuda.runtime.driverGetVersion()
    memory = properties["totalGlobalMem"] / 2**30
    return f"{properties['name'].decode()}, {memory:.0f} GiB, CUDA {version // 1000}.{version % 1000 // 10}"


# Numba CUDA -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NumbaBackend(Backend):
    """Numba's arrays on the current CUDA device, all work on one stream.

    ``stream`` is Numba's name for it, ``recording`` CuPy's, or None where iterations are not recorded.
    """

    stream: Any
    recording: Any

    def zeros(self, shape, dtype=None):
        return self.upload(np.zeros(shape, self.real if dtype is None else dtype))

    def upload(self, array):
        from numba import cuda

        with _memory_errors():
            return cuda.to_device(array, stream=self.stream)

    def write(self, array, values):
        array.copy_to_device(np.ascontiguousarray(values, array.dtype), stream=self.stream)

    def download(self, array):
        values = array.copy_to_host(stream=self.stream)
        self.stream.synchronize()
        return values

    def repeat(self, run):
        if self.recording is None:
            return super().repeat(run)
        from ..kernels.gpu import Recorder

        return Recorder(run, self.recording)


def _numba_backend(graph: bool) -> NumbaBackend:
    from numba import cuda

    from ..kernels import dispatch, numba_gpu

    recording = None
    if graph and fault("cuda") is None:
        import cupy

        recording = cupy.cuda.Stream(non_blocking=True)
    stream = cuda.stream() if recording is None else cuda.external_stream(recording.ptr)
    ops = dispatch.table(numba_gpu.Executor(stream))
    return NumbaBackend("gpu", _describe_by_numba(), np.dtype(np.float32), ops, stream, recording)


def _probe_numba() -> None:
    from ..kernels.numba_gpu import cuda  # as that module sets it up, or a launch of one block warns

    @cuda.jit
    def probe():
        pass

    if not cuda.is_available():
        raise RuntimeError(cuda.cuda_error())
    probe[1, 1]()


def _describe_by_numba() -> str:
    from numba import cuda

    device, memory = cuda.get_current_device(), cuda.current_context().get_memory_info().total / 2**30
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return f"{name}, {memory:.0f} GiB, kernels in Numba CUDA"


# Errors ---------------------------------------------------------------------------------------------------

_PROBES = {"cuda": _probe_cupy, "numba": _probe_numba}


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Turn either package's out-of-memory error into an InputError."""
    try:
        yield
    except Exception as error:
        if "OutOfMemory" not in type(error).__name__ and "OUT_OF_MEMORY" not in str(error):
            raise
        raise InputError(f"--device gpu: {explain(error)}; a smaller --batch-size needs less") from None
