"""From --device to a backend: where arrays live and which functions compute on them.

This is the one place that knows the kernels; the network above it sees an op table.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from .errors import InputError
from .kernels import registry

_ALIGNMENT = 128  # bytes: that of parameters in their flat buffer (models.py); a cache line needs 64


@dataclass(frozen=True)
class Backend:
    """An op table and the arrays it works on: those of NumPy, unless a subclass says otherwise.

    ``real`` is the scalar type: float32, and float64 in the reference backend.  ``ops`` has every op of the
    registry as a function, destinations first.
    """

    name: str
    description: str
    real: np.dtype
    ops: SimpleNamespace

    def zeros(self, shape: tuple[int, ...], dtype=None):
        """A new array of zeros, aligned to a cache line; of the backend's scalar type unless told otherwise."""
        dtype = np.dtype(self.real if dtype is None else dtype)
        count = int(np.prod(shape))
        raw = np.zeros(count * dtype.itemsize + _ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % _ALIGNMENT
        return raw[start : start + count * dtype.itemsize].view(dtype).reshape(shape)

    def upload(self, array: np.ndarray):
        """A host array as one of the backend's; without a copy where they share memory."""
        return array

    def write(self, array, values: np.ndarray) -> None:
        """Copy host values into one of the backend's arrays, of the same shape, casting to its dtype."""
        array[...] = values

    def download(self, array) -> np.ndarray:
        """One of the backend's arrays as a host array, once all that was enqueued has been computed."""
        return array

    def repeat(self, run: Callable[[], None]) -> Callable[[int], int]:
        """A function that calls ``run`` once or more, at most as often as it is told, and says how often."""

        def once(most: int) -> int:
            run()
            return 1

        return once


@dataclass(frozen=True)
class GpuBackend(Backend):
    """Arrays on the current CUDA device, all work on one stream of its own."""

    stream: object
    graph: bool

    def zeros(self, shape, dtype=None):
        import cupy

        with _memory_errors():
            return cupy.zeros(shape, self.real if dtype is None else dtype)

    def upload(self, array):
        import cupy

        with _memory_errors():
            return cupy.asarray(array)

    def write(self, array, values):
        array.set(np.ascontiguousarray(values, array.dtype))  # a copy; CuPy's assignment compiles a kernel

    def download(self, array):
        return array.get()

    def repeat(self, run):
        from .kernels.gpu import Recorder

        return Recorder(run, self.stream) if self.graph else super().repeat(run)


def make_backend(device: str, tf32: bool = False, graph: bool = True) -> Backend:
    """The backend for ``auto``, ``cpu``, ``gpu`` or ``simt``, or the float64 ``reference``.

    Parameters
    ----------
    tf32 : on a GPU, and on its simulation, let the tensor cores multiply in TF32.
    graph : on a GPU, record an iteration as a CUDA graph.

    Raises
    ------
    InputError : the device cannot be used here; the message says what is missing.
    """
    if device == "auto":
        device = "gpu" if _gpu_fault() is None else "cpu"
    if tf32 and device not in ("gpu", "simt"):
        raise InputError(f"--tf32 is for --device gpu and simt, not {device}")
    if device == "reference":
        description, real = "NumPy float64, the definition", np.dtype(np.float64)
        return Backend("reference", description, real, registry.table("reference"))
    if device == "cpu":
        return Backend("cpu", _describe_cpu(), np.dtype(np.float32), registry.table("cpu"))
    return _simt_backend(tf32) if device == "simt" else _gpu_backend(tf32, graph)


def _simt_backend(tf32: bool) -> Backend:
    from .kernels import dispatch, simt
    from .kernels.simt.compiler import COMPILER

    if shutil.which(COMPILER) is None:
        raise InputError(f"--device simt: {COMPILER} is not installed; --device cpu works")
    description = f"the CUDA C++ kernels, thread by thread on {_describe_cpu()}"
    return Backend("simt", description, np.dtype(np.float32), dispatch.table(simt.Executor(), tf32=tf32))


def _gpu_backend(tf32: bool, graph: bool) -> Backend:
    fault = _gpu_fault()
    if fault is not None:
        raise InputError(f"--device gpu: {fault}; --device cpu works")
    import cupy

    from .kernels import dispatch, gpu

    stream = cupy.cuda.Stream(non_blocking=True)
    stream.use()
    ops = dispatch.table(gpu.Executor(), tf32=tf32)
    return GpuBackend("gpu", _describe_gpu(), np.dtype(np.float32), ops, stream, graph)


def _gpu_fault() -> str | None:
    """What keeps the GPU from being used, in words; None if nothing does."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed (in the checkout: pip install '.[cu13]', or '.[cu12]' for an older GPU)"
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
        cupy.RawModule(code='extern "C" __global__ void probe() {}').get_function("probe")
    except ImportError as error:
        return f"CuPy does not load ({_first_line(error)}): is it the wheel for this driver's CUDA?"
    except Exception as error:  # CUDARuntimeError, CUDADriverError: their classes are only there if CuPy loads
        return f"no GPU that CuPy can use: {_first_line(error)} (is the NVIDIA driver there, and new enough?)"
    return None


class _memory_errors:  # noqa: N801  a context manager, used like a function
    """Turns CuPy's out-of-memory error into an InputError."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _traceback):
        if kind is not None and kind.__name__ == "OutOfMemoryError":
            raise InputError(f"--device gpu: {_first_line(error)}; a smaller --batch-size needs less") from None


def _describe_cpu() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = (line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
            model = next(names, model)
    except OSError:
        pass  # not Linux
    return f"{model}, {os.cpu_count()} cores"


def _describe_gpu() -> str:
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    version = cupy.cuda.runtime.driverGetVersion()
    memory = properties["totalGlobalMem"] / 2**30
    return f"{properties['name'].decode()}, {memory:.0f} GiB, CUDA {version // 1000}.{version % 1000 // 10}"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
