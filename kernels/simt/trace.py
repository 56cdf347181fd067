"""Counts what each line of a CUDA C++ kernel asks of memory, warp by warp, without a GPU.

The kernels are compiled with a call at every access, which ``trace.cpp`` answers, and run as everywhere in this
package, a fiber for each thread.  What is counted:

- accesses as g++ leaves them after optimising: a value that is kept in a register is loaded once, and what is
  loaded before a branch in the source is loaded there.  g++ 11, 12 and 14 agree, and NVIDIA's compiler where
  tests/compile/test_sass.py does not say otherwise;
- those to arrays and to shared memory.  A thread's own arrays are registers.

    trace(op, kernel, make_arguments(op, sizes, rng), sizes).sectors
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..launch import COMMON, Module, Parameter, kernel_parameters, op_module
from ..registry import Kernel, Op
from . import KernelError, Library
from .compiler import BuildError, build_traced

SECTOR = 32  # bytes
WARP = 32  # lanes

_KINDS = ("load", "store", "atomic")
_ALIGNMENT = 256  # of what a GPU allocates
_FILE = re.compile(r'^#line \d+ "(.*)"$', re.MULTILINE)


#: An address that a block touches: its offset in the array and the bytes there, the thread that is the first,
#: and how many barriers that thread has passed.  ``SimtTouch`` in trace.cpp.
TOUCH = np.dtype(
    [("offset", np.uintp), ("owner", np.intc), ("width", np.intc), ("thread", np.intc), ("interval", np.intc)]
)


@dataclass(frozen=True)
class Access:
    """What one line of a kernel asks of one array, or of shared memory, in a whole launch.

    Parameters
    ----------
    file, line : the place: of what is done in common.cuh, where that is called from another file.
    space : ``"global"`` or ``"shared"``.
    kind : ``"load"``, ``"store"`` or ``"atomic"``.
    array : the argument's name; "" for shared memory.
    width : bytes of a lane.
    requests : how often a warp asks.
    lanes : how many lanes take part, over all requests.
    units : sectors of 32 bytes for global memory, wavefronts for shared memory, over all requests.
    fewest : what they could be at best, for as many bytes or as many lanes.
    divergent : requests in which some of the warp's threads take no part, whatever keeps them from it.
    frames : (file, line) of the access itself and of the calls that lead to it, the innermost first.
    example : of one request with as many lanes as any: each lane, and its offset in bytes from the beginning of
        the array, or of all shared memory.
    """

    file: str
    line: int
    space: str
    kind: str
    array: str
    width: int
    requests: int
    lanes: int
    units: int
    fewest: int
    divergent: int = 0
    frames: tuple[tuple[str, int], ...] = ()
    example: tuple[tuple[int, int], ...] = ()

    @property
    def asked(self) -> int:
        """Bytes that lanes ask for."""
        return self.lanes * self.width


@dataclass(frozen=True)
class Trace:
    """What a launch asks of memory.

    Parameters
    ----------
    accesses : in the order of files and lines.
    barriers, warp_barriers : ``__syncthreads()`` and the like, and ``__syncwarp()``, that a thread passes; the
        most of any thread.
    blocks, threads : of the launch, and of a block.
    divergent : requests in which some of a warp's threads take no part.
    rounds : intervals between barriers in which one thread loads from global memory; the most of any thread.
    walk : of each array that it touches, what the first block touches: see ``TOUCH``.
    """

    accesses: tuple[Access, ...]
    barriers: int
    warp_barriers: int
    blocks: int
    threads: int
    divergent: int
    rounds: int = 0
    walk: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def of(self, space: str, *kinds: str) -> tuple[Access, ...]:
        """The accesses to a memory, of all kinds or of some."""
        return tuple(a for a in self.accesses if a.space == space and (not kinds or a.kind in kinds))

    @property
    def asked(self) -> int:
        """Bytes of global memory that lanes ask for."""
        return sum(access.asked for access in self.of("global"))

    @property
    def sectors(self) -> int:
        """Sectors of global memory, over all requests; times ``SECTOR`` they are bytes."""
        return sum(access.units for access in self.of("global"))

    @property
    def wavefronts(self) -> int:
        """Wavefronts of shared memory."""
        return sum(access.units for access in self.of("shared"))


def trace(op: Op, kernel: Kernel, arguments: Mapping[str, Any], sizes: Mapping[str, int]) -> Trace:
    """What a CUDA C++ kernel asks of memory.

    Parameters
    ----------
    arguments : by name, in the order of the op's signature: arrays and scalars, which stay as they are.
    sizes : a value for each of ``op.dims``.

    Raises
    ------
    BuildError : g++ is missing or does not compile the kernels, or addr2line is missing.
    KernelError : an access that lies in no array; as for any launch.
    """
    recorder, module = _module(op.package, op.build(kernel.version))
    grid, block = kernel.geometry(**sizes)
    values = (*arguments.values(), *(sizes[dim] for dim in op.measured))
    module.launch(op.function(kernel.version), grid, block, values)
    return recorder.trace


@cache
def _module(package: str, build: str | None) -> tuple[Recorder, Module]:
    recorder = Recorder()
    return recorder, op_module(package, build, recorder)


class Recorder:
    """An executor whose launches leave a :class:`Trace`, of the last one, in ``trace``.

    Kernels work on copies of their arrays, aligned as a GPU's are.
    """

    backend = "cuda"
    array_type = np.ndarray
    trace: Trace

    def load(self, source: str, kernels: Sequence[str], real: str) -> _Traced:
        """Compile a source text (or find it compiled) and load it.

        Raises
        ------
        BuildError : g++ is missing or does not compile the text.
        """
        return _Traced(self, build_traced(source, kernels, real), source, real)


class _Range(ctypes.Structure):
    """``Region`` in trace.cpp."""

    _fields_ = (("begin", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("owner", ctypes.c_int))


class _Tally(ctypes.Structure):
    """``SimtTally`` in trace.cpp."""

    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("place", "requests", "lanes", "units", "fewest", "divergent")),
        ("offsets", ctypes.c_size_t * WARP),
        ("example", ctypes.c_uint),
        *((name, ctypes.c_int) for name in ("owner", "kind", "width")),
    )


class _Traced(Library):
    """The kernels of one source text, compiled to be traced."""

    def __init__(self, recorder: Recorder, path: Path, source: str, real: str):
        super().__init__(path, "forward")
        self._recorder, self._path = recorder, path
        self._parameters = kernel_parameters(source, real)
        self._own_files = [file for file in dict.fromkeys(_FILE.findall(source)) if file != str(COMMON)]
        self._library.simt_trace_stray.restype = ctypes.c_char_p

    def launch(self, name, grid, block, arguments, shared=0, cooperative=False) -> None:
        """As :meth:`Library.launch`.

        Raises
        ------
        KernelError : an access that lies in no array, too.
        ValueError : a cooperative launch.
        """
        if cooperative:
            raise ValueError(f"{name}: cooperative launches are not traced")
        copies = [_aligned(a) if isinstance(a, np.ndarray) else a for a in arguments]
        ranges = [
            _Range(a.ctypes.data, a.nbytes, number)
            for number, a in enumerate(copies)
            if isinstance(a, np.ndarray)
        ]
        self._library.simt_trace_begin((_Range * len(ranges))(*ranges), ctypes.c_size_t(len(ranges)))
        super().launch(name, grid, block, copies, shared)
        self._refuse_stray(name)
        accesses = self._accesses(self._parameters[name])
        self._recorder.trace = Trace(
            accesses,
            self._library.simt_trace_barriers(0),
            self._library.simt_trace_barriers(1),
            int(np.prod(grid)),
            int(np.prod(block)),
            sum(access.divergent for access in accesses),
            self._library.simt_trace_rounds(),
            self._walk(self._parameters[name]),
        )

    def _walk(self, parameters: Sequence[Parameter]) -> dict[str, np.ndarray]:
        touches = np.empty(self._library.simt_trace_walk(None, ctypes.c_size_t(0)), TOUCH)
        self._library.simt_trace_walk(ctypes.c_void_p(touches.ctypes.data), ctypes.c_size_t(len(touches)))
        by_array = {p.name: touches[touches["owner"] == number] for number, p in enumerate(parameters)}
        return {name: touched for name, touched in by_array.items() if len(touched)}

    def _refuse_stray(self, name: str) -> None:
        place = ctypes.c_size_t()
        stray = self._library.simt_trace_stray(ctypes.byref(place)).decode()
        if stray:
            file, line = self._own(_frames(self._path, [place.value])[place.value])
            raise KernelError(f"{name}: {file}:{line}: {stray}")

    def _own(self, frames: tuple[tuple[str, int], ...]) -> tuple[str, int]:
        """The innermost frame of the kernel's own files, or of any."""
        return next((frame for frame in frames if frame[0] in self._own_files), frames[0])

    def _accesses(self, parameters: Sequence[Parameter]) -> tuple[Access, ...]:
        tallies = (_Tally * self._library.simt_trace_tallies(None, ctypes.c_size_t(0)))()
        self._library.simt_trace_tallies(tallies, ctypes.c_size_t(len(tallies)))
        frames = _frames(self._path, [tally.place for tally in tallies])
        groups = defaultdict(list)
        for tally in tallies:
            array = "" if tally.owner < 0 else parameters[tally.owner].name
            groups[frames[tally.place], _KINDS[tally.kind], array, tally.width].append(tally)
        accesses = (
            Access(
                *self._own(where),
                "global" if array else "shared",
                kind,
                array,
                width,
                *(sum(getattr(tally, count) for tally in group) for count in _COUNTS),
                frames=where,
                example=_example(group),
            )
            for (where, kind, array, width), group in groups.items()
        )
        places = {file: number for number, file in enumerate(self._own_files)}
        return tuple(sorted(accesses, key=lambda a: (places.get(a.file, len(places)), a.line, a.frames)))


#: Fields of a tally that are added up, in the order of an :class:`Access`.
_COUNTS = ("requests", "lanes", "units", "fewest", "divergent")


def _example(tallies: Iterable[_Tally]) -> tuple[tuple[int, int], ...]:
    fullest = max(tallies, key=lambda tally: tally.example.bit_count())
    return tuple((lane, fullest.offsets[lane]) for lane in range(WARP) if fullest.example >> lane & 1)


def _aligned(array: np.ndarray) -> np.ndarray:
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _frames(library: Path, places: Iterable[int]) -> dict[int, tuple[tuple[str, int], ...]]:
    """Where in the source each place of a library is, and whence it was inlined: innermost first."""
    places = sorted(set(places))
    command = ["addr2line", "--inlines", "--addresses", f"--exe={library}"]
    try:
        done = subprocess.run(
            command, input="\n".join(map(hex, places)), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"addr2line, of binutils, tells no lines: {error}") from None
    found, frames = {}, []
    for line in done.stdout.splitlines():
        if line.startswith("0x"):
            frames = found[int(line, 16)] = []
        else:
            file, _, number = line.partition(" (")[0].rpartition(":")
            frames.append((file, int(number) if number.isdigit() else 0))
    return {place: tuple(frames) for place, frames in found.items()}
