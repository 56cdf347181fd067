"""The CUDA driver, as far as CuPy uses it: modules, their kernels, launches, and the names of errors."""

from __future__ import annotations

import ctypes

from .calls import INT, POINTER, TEXT, UNSIGNED, Library, Out
from .device import HANDLES, STREAMS, stream
from .errors import Status
from .kernels import Module

DRIVER = Library()
_function = DRIVER.function

_CONTEXT = 0xC0
_texts = {status: ctypes.create_string_buffer(f"CUDA_ERROR_{status.name}".encode()) for status in Status}


def error_text(status: int) -> int:
    """The address of an error's name, which is its description too."""
    return ctypes.addressof(_texts.get(status, _texts[Status.UNKNOWN]))


@_function("cuGetErrorName", INT, Out(POINTER), of_device=False)
def error_name(status):
    return error_text(status)


@_function("cuGetErrorString", INT, Out(POINTER), of_device=False)
def error_string(status):
    return error_text(status)


@_function("cuCtxGetCurrent", Out(POINTER))
def current_context():
    return _CONTEXT


@_function("cuModuleLoadData", Out(POINTER), POINTER)
def module_load(image):
    return HANDLES.add(Module(ctypes.string_at(image)))


@_function("cuModuleUnload", POINTER)
def module_unload(module):
    HANDLES.remove(module)


@_function("cuModuleGetFunction", Out(POINTER), POINTER, TEXT)
def module_function(module, name):
    return HANDLES.add(HANDLES[module].kernel(name.decode()))


@_function("cuLaunchKernel", POINTER, *[UNSIGNED] * 7, POINTER, POINTER, POINTER)
def launch_kernel(function, gx, gy, gz, bx, by, bz, shared, handle, arguments, extra):
    kernel = HANDLES[function]
    run = kernel.bind((gx, gy, gz), (bx, by, bz), shared, arguments)
    STREAMS.enqueue(stream(handle), kernel.name, run)
