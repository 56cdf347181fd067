"""From --device to a backend: where arrays live and which functions compute on them.

This is the one place that knows the kernels; the network above it sees an op table.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import InputError, explain
from ..kernels import registry
from . import DEVICES, KERNELS, gpu
from .backend import Backend


class CpuBackend(Backend):
    """NumPy's arrays; what is repeated is recorded, as it would be on a GPU."""

    def repeat(self, run):
        return Replay(self.ops, run)


class Replay:
    """Runs a sequence of op calls again and again, from its second time on without what stands above the ops.

    Parameters
    ----------
    run : makes the calls by way of the table ``ops``, the same ones on the same arrays each time.
    """

    def __init__(self, ops: object, run: Callable[[], None]):
        self.ops, self.run = ops, run
        self.calls: list[tuple[Callable, tuple]] = []

    def __call__(self, most: int) -> int:
        """Run it once."""
        if not self.calls:
            self._record()
        else:
            for function, arguments in self.calls:
                function(*arguments)
        return 1

    def _record(self) -> None:
        table = dict(vars(self.ops))

        def recorded(function: Callable) -> Callable:
            def call(*arguments):
                function(*arguments)
                self.calls.append((function, arguments))

            return call

        vars(self.ops).update({name: recorded(function) for name, function in table.items()})
        try:
            self.run()
        finally:
            vars(self.ops).update(table)


def make_backend(device: str, tf32: bool = False, graph: bool = True, kernels: str = "cuda") -> Backend:
    """The backend for ``auto``, ``cpu``, ``gpu`` or ``simt``, or the float64 ``reference``.

    Parameters
    ----------
    tf32 : on a GPU, and on its simulation, let the tensor cores multiply in TF32.
    graph : on a GPU, record an iteration as a CUDA graph.
    kernels : on a GPU, the language of the kernels: ``cuda`` or ``numba``.

    Raises
    ------
    InputError : the device cannot be used here; the message says what is missing.
    """
    _check_known("--device", device, (*DEVICES, "reference"))
    _check_known("--kernels", kernels, KERNELS)
    if device == "auto":
        device = "gpu" if kernels == "numba" or gpu.fault(kernels) is None else "cpu"
    if kernels == "numba" and device != "gpu":
        raise InputError(f"--kernels numba is for --device gpu, not {device}")
    if tf32 and device not in ("gpu", "simt"):
        raise InputError(f"--tf32 is for --device gpu and simt, not {device}")
    if device == "reference":
        description, real = "NumPy float64, the definition", np.dtype(np.float64)
        return Backend("reference", description, real, registry.table("reference"))
    if device == "cpu" or kernels == "numba":
        _check_numba()
    if device == "cpu":
        return CpuBackend("cpu", _describe_cpu(), np.dtype(np.float32), registry.table("cpu"))
    return _simt_backend(tf32) if device == "simt" else gpu.gpu_backend(tf32, graph, kernels)


def _check_known(flag: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"{flag} must be one of {', '.join(known)}, not {value!r}")


def _check_numba() -> None:
    """InputError if the environment asks Numba for what does not go here."""
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not threads.strip().isdecimal() or int(threads) < 1:
        raise InputError(f"NUMBA_NUM_THREADS must be a whole number, at least 1, not {threads!r}")
    jit = os.environ.get("NUMBA_DISABLE_JIT", "0").strip()
    if jit not in ("", "0"):
        raise InputError(f"NUMBA_DISABLE_JIT is {jit}, but these kernels must be compiled")


def _simt_backend(tf32: bool) -> Backend:
    from ..kernels import dispatch, simt

    try:
        executor = simt.Executor()
        executor.load('extern "C" __global__ void probe() {}', ["probe"], "float")
    except (ValueError, OSError, simt.BuildError) as error:
        raise InputError(f"--device simt: {explain(error)}; --device cpu works") from None
    description = f"the CUDA C++ kernels, thread by thread on {_describe_cpu()}"
    return Backend("simt", description, np.dtype(np.float32), dispatch.table(executor, tf32=tf32))


def _describe_cpu() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = (line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
            model = next(names, model)
    except OSError:
        pass  # not Linux
    return f"{model}, {os.cpu_count()} cores"
