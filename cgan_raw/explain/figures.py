"""What is said of a kernel in numbers: its counts, what a GPU holds of it, and bounds of its time."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arguments import make_arguments
from ..kernels import registry
from ..kernels.registry import Op
from ..kernels.simt.trace import SECTOR, Access, Trace, trace
from .gpus import LATENCY, Gpu
from .subject import Subject

LINE = 128  # bytes: what 32 lanes ask for at 4 bytes each

_KINDS = ("load", "store", "atomic")


class Resources(NamedTuple):
    """Registers of a thread, and bytes of shared memory of a block."""

    registers: int
    shared: int


class Bound(NamedTuple):
    """Seconds that a launch takes at least, and of what."""

    seconds: float
    why: str


def traced(subject: Subject) -> Trace:
    """The trace of a launch on random values.  Raises BuildError."""
    arguments = make_arguments(subject.op, subject.sizes, np.random.default_rng(0))
    return trace(subject.op, subject.kernel, arguments, subject.sizes)


def figures(subject: Subject, found: Trace, gpu: Gpu) -> dict[str, Any]:
    """All numbers of a kernel, as the report shows them and ``--json`` writes them.

    Units
    -----
    Bytes, seconds, requests of a warp, sectors of 32 bytes; ``per_unit`` are bytes per ``unit`` of ``units``.
    """
    op, sizes = subject.op, subject.sizes
    units, unit = work(op, sizes)
    flop, least = op.flops(**sizes), op.bytes(**sizes)
    moved = {"asked": found.asked, "in_sectors": found.sectors * SECTOR, "least": least}
    compiled = resources(subject.name, gpu)
    return {
        "kernel": subject.name,
        "sizes": sizes,
        "why": subject.why,
        "blocks": found.blocks,
        "threads": found.threads,
        "accesses": [_access(access) for access in found.accesses],
        "bytes": moved,
        "unit": unit,
        "units": units,
        "per_unit": {name: count / units for name, count in moved.items()},
        "wavefronts": found.wavefronts,
        "wavefronts_per_request": _wavefronts(found),
        "barriers": found.barriers,
        "warp_barriers": found.warp_barriers,
        "requests": sum(access.requests for access in found.accesses),
        "divergent": found.divergent,
        "flop": flop,
        "intensity": {name: flop / count if count else 0.0 for name, count in moved.items()},
        "gpu": gpu.title,
        "compiled": compiled and compiled._asdict(),
        "residency": compiled and gpu.residency(found.threads, *compiled)._asdict(),
        "bounds": {name: bound._asdict() for name, bound in bounds(subject, found, gpu).items()},
    }


def _access(access: Access) -> dict[str, Any]:
    names = ("line", "space", "kind", "array", "width", "requests", "lanes", "units", "fewest", "divergent")
    return {"file": Path(access.file).name} | {name: getattr(access, name) for name in names}


def _wavefronts(found: Trace) -> dict[str, float]:
    """Of shared memory, per request, by kind."""
    result = {}
    for kind in _KINDS:
        of_kind = found.of("shared", kind)
        if of_kind:
            result[kind] = sum(a.units for a in of_kind) / sum(a.requests for a in of_kind)
    return result


def work(op: Op, sizes: dict[str, int]) -> tuple[int, str]:
    """How much a launch makes, and of what: multiply-adds of an op that has versions and one such for each
    combination of three sizes, else elements of its first destination."""
    combinations = math.prod(sizes.values())
    if op.choose and len(sizes) == 3 and op.flops(**sizes) >= 2 * combinations:
        return combinations, "multiply-add"
    return math.prod(op.arguments[0].shape(sizes)), "element"


@cache
def _ptxas() -> dict[str, Any]:
    return json.loads(Path(registry.__file__).with_name("ptxas.json").read_text(encoding="utf-8"))


def resources(kernel: str, gpu: Gpu) -> Resources | None:
    """As NVIDIA's compiler has them; None of a kernel that is not on file."""
    text = _ptxas()[f"cuda {gpu.compiled} float"]["kernels"].get(kernel)
    return None if text is None else Resources(*(int(word) for word in text.split() if word.isdigit()))


def bounds(subject: Subject, found: Trace, gpu: Gpu) -> dict[str, Bound]:
    """How long a launch takes at least, by what it waits for; the longest is the bound.

    For ``memory`` each array comes from DRAM, once.  Arithmetic and the path from L1 and shared memory are
    those of the multiprocessors that have a block, in equal shares at best; a request takes a clock of the
    path, and one for each 128 bytes of its sectors or each of its wavefronts.  ``latency`` is that of loads
    from the L2 cache which one thread makes one behind the other, as it waits for each before a barrier.
    The bandwidth of the L2 cache is no bound here: NVIDIA publishes none in bytes per second, others' figures
    of an H100 differ by up to two times, and what reaches that cache, the L1 cache decides.  kernels/README.md
    has such a bound beside the ladder.
    """
    busy = min(found.blocks, gpu.multiprocessors)
    on_tensor_cores = gpu.tensor and subject.kernel.rounding
    lanes = busy * (gpu.tensor if on_tensor_cores else gpu.lanes)
    least, operations = subject.op.bytes(**subject.sizes), subject.op.flops(**subject.sizes)
    clocks = data_path_clocks(found) * LINE / gpu.data_path
    found_bounds = {
        "memory": (least / gpu.bandwidth, f"{least:,} bytes at {gpu.bandwidth / 1e9:,.0f} GB/s"),
        "L1 and shared memory": (clocks / busy / gpu.clock, f"{clocks:,.0f} clocks of {busy} multiprocessors"),
        "arithmetic": (operations / 2 / lanes / gpu.clock, f"{operations:,} operations on {lanes:,} lanes"),
        "latency": (found.rounds * LATENCY / gpu.clock, f"{found.rounds} x {LATENCY} clocks, load behind load"),
    }
    return {name: Bound(*bound) for name, bound in found_bounds.items()}


def data_path_clocks(found: Trace) -> float:
    """Clocks of all multiprocessors together, at ``LINE`` bytes per clock."""
    return found.wavefronts + sum(max(a.requests, a.units * SECTOR / LINE) for a in found.of("global"))
