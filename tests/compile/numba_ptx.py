"""The Numba CUDA kernels compiled without a GPU: by Numba and NVVM to PTX, by nvJitLink to machine code.

nvJitLink contains ptxas, which tells what each kernel needs of a multiprocessor.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import files, version
from types import FunctionType, SimpleNamespace
from unittest import mock

import numpy as np
from targets import Resources, Target, read_resources

from cgan_raw.kernels.registry import Kernel, Op, ops

_REALS = {"float": np.float32, "double": np.float64}
_PTX = 2  # NVJITLINK_INPUT_PTX
_SHARED = re.compile(r"^\s*(?:\.\w+ )*\.shared .*\[(\d+)\];", re.MULTILINE)


def compile_kernels(target: Target) -> dict[str, str]:
    """The PTX of every kernel of the project in Numba CUDA, by name."""
    return {
        op.function(kernel.version): compile_kernel(target, op, kernel)
        for op in ops().values()
        for kernel in op.kernels
        if kernel.backend == "numba_cuda"
    }


def compile_kernel(target: Target, op: Op, kernel: Kernel) -> str:
    """The PTX of one kernel, for the arrays and scalars of its contract."""
    from cgan_raw.kernels.numba_gpu import jitted  # Numba itself, where these tests are skipped, is not needed

    function = jitted(import_module(f"{op.package}.numba_cuda"), target.real)[op.function(kernel.version)]
    arrays = [
        (_REALS[target.real] if a.dtype == "real" else a.dtype, 0 if a.dims is None else len(a.dims))
        for a in op.arguments
    ]
    return compile_function(target, function.py_func, [*arrays, *((np.int32, 0) for _ in op.measured)])


def compile_function(
    target: Target, function: FunctionType, arguments: Sequence[tuple[type | str, int]]
) -> str:
    """The PTX of a function as a kernel; an argument is its dtype and number of dimensions, 0 for a scalar."""
    from numba import cuda, types
    from numba.np.numpy_support import from_dtype

    def typed(dtype, dimensions):
        scalar = from_dtype(np.dtype(dtype))
        return types.Array(scalar, dimensions, "C") if dimensions else scalar

    capability = divmod(int(target.architecture.removeprefix("sm_")), 10)
    signature = types.void(*(typed(*argument) for argument in arguments))
    with _device(capability):
        ptx, _ = cuda.compile(function, signature, device=False, abi="numba", cc=capability, output="ptx")
    return ptx


@contextmanager
def _device(capability: tuple[int, int]) -> Iterator[None]:
    """Numba asks the current device for what to compile a device function, whatever its kernel is for."""
    device = SimpleNamespace(compute_capability=capability)
    with mock.patch("numba.cuda.dispatcher.get_current_device", return_value=device):
        yield


def resources(target: Target, ptx: str) -> Resources:
    """What ptxas says of the one kernel in a text.

    Shared memory is counted in the text: the log has what the driver reserves as well.
    """
    (found,) = read_resources(_link(ptx, target.architecture)).values()
    return found._replace(shared=sum(int(size) for size in _SHARED.findall(ptx)))


def _link(ptx: str, architecture: str) -> str:
    """What ptxas logs; RuntimeError if it refuses the text."""
    nvjitlink, size, handle = _library(), ctypes.c_size_t(), ctypes.c_void_p()
    options = [f"-arch={architecture}".encode(), b"-verbose"]
    _check(nvjitlink.nvJitLinkCreate(ctypes.byref(handle), len(options), (ctypes.c_char_p * 2)(*options)))
    text = ptx.encode()
    try:
        _check(nvjitlink.nvJitLinkAddData(handle, _PTX, text, ctypes.c_size_t(len(text)), b"kernel"))
        _check(nvjitlink.nvJitLinkComplete(handle))
        _check(nvjitlink.nvJitLinkGetInfoLogSize(handle, ctypes.byref(size)))
        log = ctypes.create_string_buffer(size.value)
        _check(nvjitlink.nvJitLinkGetInfoLog(handle, log))
    finally:
        nvjitlink.nvJitLinkDestroy(ctypes.byref(handle))
    return log.value.decode()


@cache
def _library() -> SimpleNamespace:
    """nvJitLink's functions, whose names in the library end in its version."""
    path = next(file for file in files("nvidia-nvjitlink") if re.fullmatch(r"libnvJitLink\.so\.\d+", file.name))
    library, suffix = (
        ctypes.CDLL(str(path.locate())),
        "_" + "_".join(version("nvidia-nvjitlink").split(".")[:2]),
    )
    names = ("Create", "AddData", "Complete", "GetInfoLogSize", "GetInfoLog", "Destroy")
    return SimpleNamespace(**{f"nvJitLink{n}": library[f"__nvJitLink{n}{suffix}"] for n in names})


def _check(code: int) -> None:
    if code:
        raise RuntimeError(f"nvJitLink: error {code}")
