"""How a function of CUDA's is written in Python: what comes in are numbers, what it returns is written out.

    @RUNTIME.function("cudaMalloc", Out(POINTER), SIZE)
    def malloc(size):
        return MEMORY.allocate(size)

Several results are returned in the order of the C declaration.  A CudaError is the call's answer.  Calls come
one at a time, whatever thread they are made in.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import report
from .device import STREAMS
from .errors import CudaError, Status

INT, UNSIGNED, SIZE, FLOAT = ctypes.c_int, ctypes.c_uint, ctypes.c_size_t, ctypes.c_float
POINTER, TEXT = ctypes.c_void_p, ctypes.c_char_p

_lock = threading.RLock()


class Out(NamedTuple):
    """An argument that points to where a result goes."""

    type: Any


class Library:
    """Functions of a library, by name, as C can call them."""

    def __init__(self):
        self.functions: dict[str, Any] = {}

    def function(self, name: str, *types: Any, of_device: bool = True) -> Callable[[Callable], Callable]:
        """Add a function; one that is not ``of_device`` answers after a fault too."""

        def add(function: Callable) -> Callable:
            self.functions[name] = _callback(name, types, function, of_device)
            return function

        return add

    def address(self, name: str) -> int:
        """Of a function; of one that says that it is not emulated, if it is not."""
        if name not in self.functions:
            self.function(name)(_not_emulated)
        return ctypes.cast(self.functions[name], ctypes.c_void_p).value


def _not_emulated() -> None:
    raise NotImplementedError("this function")


def _callback(name: str, types: tuple, function: Callable, of_device: bool) -> Any:
    results = {i: t.type for i, t in enumerate(types) if isinstance(t, Out)}

    def call(*arguments) -> int:
        given = [a or 0 for i, a in enumerate(arguments) if i not in results]
        with _alone():
            fault = STREAMS.fault if of_device else None
            status, returned = _answer(name, function, given, fault)
        if status == Status.SUCCESS and results:
            values = returned if isinstance(returned, tuple) else (returned,)
            for (i, kind), value in zip(results.items(), values, strict=True):
                if arguments[i]:
                    kind.from_address(arguments[i]).value = value
        return status

    c_types = (POINTER if isinstance(t, Out) else t for t in types)
    return ctypes.CFUNCTYPE(INT, *c_types)(call)


def _answer(name: str, function: Callable, given: list, fault: CudaError | None) -> tuple[int, Any]:
    """The status of a call, and what it returned."""
    try:
        if fault is not None:
            raise fault
        return Status.SUCCESS, function(*given)
    except CudaError as error:
        if error.status is not Status.NOT_READY:
            report.write("refused", f"{name}: {error.status.name}, {error}, at {report.caller()}")
        return error.status, None
    except NotImplementedError as what:
        report.problem(f"{name}: {what} is not emulated, at {report.caller()}")
        return Status.NOT_SUPPORTED, None
    except Exception:
        report.problem(f"{name}: {traceback.format_exc()}")
        return Status.UNKNOWN, None


@contextmanager
def _alone() -> Iterator[None]:
    """No other thread calls, and no array dies in here, whose end would be a call within the call."""
    with _lock:
        enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if enabled:
                gc.enable()
