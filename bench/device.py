"""Where kernels are timed: clocks, empty caches, and the machine's own limits, measured.

A place has

    array(values)              a host array as one of the place's, as in training
    write(array, values)       host values into such an array
    download(array)            the array on the host
    function(op, kernel)       a kernel of the registry as a function of the op's arguments
    adapt(kernel, array)       such an array as that function takes it
    missing                    backends that cannot run, and why
    prepare(touch)             makes data cold and leaves code warm; ``touch`` is the call on other, tiny arrays
    host_times(run, prepare, rounds)  seconds of each call by the host's clock, until the work is done
    device_times(run, rounds)  the same by the device's clock; None where there is only one clock
    synchronised(run)          a call that returns when the work is done
    peaks                      :class:`Peaks`

On a GPU an asynchronous overwriting of a buffer much larger than L2 comes before each call.  That empties L2,
and keeps the GPU busy for longer than the host needs to enqueue what stands between the two events, so that no
launch is in the device's time.  The host's time begins and ends with an idle device.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np

from cgan_raw.devices import gpu
from cgan_raw.devices.choice import make_backend
from cgan_raw.kernels.registry import Kernel, Op

WARM = 3  # calls before those that are timed

_MIB = 2**20
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CPU_PRODUCT, _GPU_PRODUCT = 2048, 8192  # rows and columns of the square product that shows the peak
_CPU_BUFFER_CACHES = 4  # times the last level, which does not forget strictly in order
_CPU_PROBE_CACHES = 0.5  # times the last level, so that what is stored can stay there, as what most ops store
_GPU_BUFFER = 1024 * _MIB
_TRIES = 5  # the best of so many is a peak


@dataclass(frozen=True)
class Peaks:
    """The two roofs: FLOP/s by precision (``"float32"``, ``"TF32"``); bytes/s that a call loads and stores, on
    empty caches.

    A precision that nobody could measure is not in ``flop``.
    """

    flop: dict[str, float]
    bytes: float

    def seconds(self, flop: int, bytes_: int, precision: str) -> float | None:
        """The least time for so much work: the larger of what computing and what moving alone would take.

        None if one of them is not known.
        """
        if precision not in self.flop:
            return None
        return max(flop / self.flop[precision], bytes_ / self.bytes)

    asdict = asdict


class Cpu:
    """This machine's processor, all of its cores."""

    name, missing = "cpu", {}

    def __init__(self):
        self._backend = make_backend("cpu")
        self.description = self._backend.description
        self.write, self.download = self._backend.write, self._backend.download
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._cores)

    def array(self, values: np.ndarray) -> np.ndarray:
        array = self._backend.zeros(values.shape, values.dtype)
        self.write(array, values)
        return array

    def function(self, op: Op, kernel: Kernel) -> Callable:
        return op.implementation(kernel.backend, kernel.version)

    def adapt(self, kernel: Kernel, array: np.ndarray) -> np.ndarray:
        return array

    @cached_property
    def _buffer(self) -> np.ndarray:
        # Ones: pages that nobody has written are one page of zeros, which stays in the cache.
        return np.ones(int(_CPU_BUFFER_CACHES * _last_level_bytes()) // 4, np.float32)

    def prepare(self, touch: Callable[[], object]) -> None:
        """By reading: lines that were written would have to be moved out during the call that is timed.

        That drives the kernel's code and the interpreter's from the caches too, which training never does.
        """
        self._on_each_core(np.max, self._buffer)
        touch()

    def host_times(self, run: Callable, prepare: Callable, rounds: int) -> list[float]:
        return _host_times(run, prepare, rounds)

    def device_times(self, run: Callable[[], object], rounds: int) -> None:
        return None

    def synchronised(self, run: Callable[[], object]) -> Callable[[], object]:
        return run

    @cached_property
    def peaks(self) -> Peaks:
        """The best of reading, copying and changing in place, by one core or all; a large product by BLAS.

        The former are timed as kernels are, on empty caches.  Of longer arrays, more than the last level holds,
        stores would have to be moved out in the time of the call, and a kernel's need not be.
        """
        one, other = (np.ones(int(_CPU_PROBE_CACHES * _last_level_bytes()) // 4, np.float32) for _ in range(2))
        probes = ((np.max, 1, (one,)), (np.copyto, 2, (other, one)), (np.negative, 2, (one, one)))
        prepare = partial(self.prepare, partial(self._on_each_core, np.max, np.ones(self._cores)))
        moved = [
            times * one.nbytes / _best(partial(run, f, *arrays), prepare)
            for run in (self._on_each_core, lambda f, *arrays: f(*arrays))
            for f, times, arrays in probes
        ]
        square = np.ones((_CPU_PRODUCT, _CPU_PRODUCT), np.float32)
        out = np.empty_like(square)
        flop = 2 * _CPU_PRODUCT**3 / _best(lambda: np.matmul(square, square, out=out))
        return Peaks({"float32": flop}, max(moved))

    def _on_each_core(self, function: Callable, *arrays: np.ndarray) -> None:
        pieces = (np.array_split(array, self._cores) for array in arrays)
        list(self._pool.map(function, *pieces))


class Gpu:
    """The current CUDA device.

    Raises
    ------
    InputError : there is none that can be used, and why.
    """

    name = "gpu"

    def __init__(self):
        self._backend = make_backend("gpu")
        assert isinstance(self._backend, gpu.CudaBackend)
        self.description, self.stream = self._backend.description, self._backend.stream
        self.array, self.write, self.download = (
            self._backend.upload,
            self._backend.write,
            self._backend.download,
        )
        import cupy

        from cgan_raw.kernels import dispatch
        from cgan_raw.kernels.gpu import Executor

        self._cupy = cupy
        self._modules, self._share = {"cuda": dispatch.Modules(Executor(self.stream))}, {}
        self.missing = {"numba_cuda": gpu.fault("numba")} if gpu.fault("numba") else {}
        if not self.missing:
            from numba import cuda

            from cgan_raw.kernels import numba_gpu

            stream = cuda.external_stream(self.stream.ptr)
            self._modules["numba_cuda"] = dispatch.Modules(numba_gpu.Executor(stream))
            self._share["numba_cuda"] = numba_gpu.share

    def function(self, op: Op, kernel: Kernel) -> Callable:
        from cgan_raw.kernels.dispatch import LaunchedOp

        return LaunchedOp(op, self._modules[kernel.backend], kernel.version)

    def adapt(self, kernel: Kernel, array):
        return self._share.get(kernel.backend, lambda array: array)(array)

    @cached_property
    def _buffer(self):
        return self._cupy.empty(_GPU_BUFFER, "uint8")

    def prepare(self, touch: Callable[[], object]) -> None:
        self._enqueue_flush()
        touch()
        self.stream.synchronize()

    def _enqueue_flush(self) -> None:
        self._buffer.data.memset_async(0, _GPU_BUFFER, self.stream)

    def host_times(self, run: Callable, prepare: Callable, rounds: int) -> list[float]:
        return _host_times(self.synchronised(run), prepare, rounds)

    def device_times(self, run: Callable[[], object], rounds: int) -> list[float]:
        events = [(self._cupy.cuda.Event(), self._cupy.cuda.Event()) for _ in range(WARM + rounds)]
        for start, stop in events:
            self._enqueue_flush()
            start.record(self.stream)
            run()
            stop.record(self.stream)
        self.stream.synchronize()
        return [1e-3 * self._cupy.cuda.get_elapsed_time(*pair) for pair in events[WARM:]]

    def synchronised(self, run: Callable[[], object]) -> Callable[[], None]:
        def complete() -> None:
            run()
            self.stream.synchronize()

        return complete

    @cached_property
    def peaks(self) -> Peaks:
        """Copying within the device's memory; the product of large square matrices, if cuBLAS is there."""
        from .experts import cublas, cublas_fault

        to, of = self._cupy.empty_like(self._buffer).data, self._buffer.data
        copy = partial(to.copy_from_device_async, of, _GPU_BUFFER, self.stream)
        copied = min(self.device_times(copy, _TRIES))
        bytes_ = 2 * _GPU_BUFFER / copied
        if cublas_fault(self):
            return Peaks({}, bytes_)
        square = self.array(np.ones((_GPU_PRODUCT, _GPU_PRODUCT), np.float32))
        out = self._cupy.empty_like(square)
        flop = {}
        for precision in ("float32", "TF32"):
            multiply = cublas(precision, self.stream)
            seconds = min(self.device_times(lambda f=multiply: f(out, square, square), _TRIES))
            flop[precision] = 2 * _GPU_PRODUCT**3 / seconds
        return Peaks(flop, bytes_)


@cache
def places() -> dict[str, Cpu | Gpu]:
    """Where kernels can be timed here: by name, the GPU last."""
    here = (Cpu(),) if gpu.fault() else (Cpu(), Gpu())
    return {place.name: place for place in here}


def _host_times(run: Callable, prepare: Callable, rounds: int) -> list[float]:
    seconds = []
    for _ in range(WARM + rounds):
        prepare()
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return seconds[WARM:]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = (float(q) for q in np.percentile(seconds, (25, 50, 75)))
    return {"median": median, "low": low, "high": high}


def _best(run: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    return min(_host_times(run, prepare, _TRIES))


def _last_level_bytes() -> int:
    """The size of the largest cache as Linux tells it, or of one that is larger than most."""
    sizes = [file.read_text().strip() for file in _CACHES.glob("index*/size")]
    return max((int(size.removesuffix("K")) * 1024 for size in sizes if size.endswith("K")), default=64 * _MIB)
