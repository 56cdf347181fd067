"""``python -m bench.traces``: what the CUDA C++ kernels ask of memory, traced on the CPU and put on file.

Each is traced at the costliest call of its op by the network (:mod:`cgan_raw.calls`).  A test compares with
tests/kernels/traces.json, so that a load that is no longer coalesced or a bank conflict fails on any machine;
``make tables`` renews the file, which belongs to the change that makes it differ.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from cgan_raw.arguments import make_arguments
from cgan_raw.calls import costliest
from cgan_raw.files.writing import write_atomically
from cgan_raw.kernels.registry import Kernel, Op, ops
from cgan_raw.kernels.simt.trace import Trace, trace

from .results import CHECKOUT

FILE = CHECKOUT / "tests" / "kernels" / "traces.json"

#: For what no network calls.
_SIZES = {"philox_words": {"n": 1024}}

_IMAGES = 2  # of a convolution: each asks for the same, and a trace of all of them takes minutes


def cuda_kernels() -> list[tuple[Op, Kernel]]:
    """All but those that are another's text, for arithmetic in three parts: they ask for the same."""
    kernels = ((op, kernel) for op in ops().values() for kernel in op.kernels if kernel.backend == "cuda")
    return [(op, k) for op, k in kernels if not (op.build(k.version) or "").endswith("_3x")]


def sizes_of(op: Op) -> dict[str, int]:
    """The sizes at which an op's kernels are traced."""
    sizes = costliest(op) or _SIZES[op.name]
    return sizes | {"B": _IMAGES} if "stride" in op.dims else sizes


@cache
def traced(op: Op, kernel: Kernel) -> Trace:
    """One kernel, on the same random arguments every time."""
    sizes = sizes_of(op)
    return trace(op, kernel, make_arguments(op, sizes, np.random.default_rng(0)), sizes)


def summary(found: Trace) -> dict:
    """Barriers that a thread passes; requests, bytes asked for and units, by memory and kind of access."""
    totals: dict = {"barriers": found.barriers, "warp_barriers": found.warp_barriers}
    for access in sorted(found.accesses, key=lambda access: (access.space, access.kind)):
        units = "sectors" if access.space == "global" else "wavefronts"
        total = totals.setdefault(f"{access.space} {access.kind}", {"requests": 0, "bytes": 0, units: 0})
        total["requests"] += access.requests
        total["bytes"] += access.asked
        total[units] += access.units
    return totals


def table() -> dict:
    """By the kernel's name: sizes and summary."""
    return {
        op.function(kernel.version): {
            "sizes": sizes_of(op),
            **summary(traced(op, kernel)),
        }
        for op, kernel in cuda_kernels()
    }


def text(kernels: dict) -> str:
    """The table as JSON, a line for each figure of a kernel."""
    entries = []
    for name, entry in kernels.items():
        lines = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in entry.items())
        entries.append(f' "{name}": {{\n{lines}\n }}')
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    write_atomically(FILE, text(table()).encode())
