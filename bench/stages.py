"""``python -m bench.stages``: what each stage of a fused iteration asks for, and what is expected of its time.

A stage is a launch.  Its numbers follow from the contracts and from the trace of its kernel on the CPU, so they
are the same on every machine: a test compares with tests/bench/fused_stages.json, which ``make tables`` renews
with the table in bench/NOTES.md.  Nothing here was measured on a GPU.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np

from cgan_raw.arguments import make_arguments
from cgan_raw.calls import Call, record
from cgan_raw.config import TrainConfig
from cgan_raw.explain.gpus import GPUS
from cgan_raw.files.writing import write_atomically
from cgan_raw.fused_iteration import FusedIteration
from cgan_raw.kernels.registry import Kernel, Op, ops
from cgan_raw.kernels.simt.trace import SECTOR, trace

from .results import CHECKOUT

FILE = CHECKOUT / "tests" / "bench" / "fused_stages.json"
NOTES = CHECKOUT / "bench" / "NOTES.md"
PTXAS = CHECKOUT / "kernels" / "ptxas.json"

#: The GPU of the expectation.  Of its L2 cache, bytes per second to all multiprocessors, and per clock to one.
GPU = GPUS["h200"]
L2_BANDWIDTH, L2_TO_ONE = 5.5e12, 64
#: Seconds from one node of a graph to the next that depends on it, as published for an H200: from, to.
NODE = (1.3e-6, 1.9e-6)

#: What may run beside the discriminator's step on real images.
ASIDE = ("fused_forward_batchnorm", "fused_forward_tanh")


def cuda_kernel(op: Op, tf32: bool = False) -> Kernel:
    """The kernel that runs, perhaps with --tf32."""
    versions = {kernel.version: kernel for kernel in op.kernels if kernel.backend == "cuda"}
    return versions["tensor_core" if tf32 and "tensor_core" in versions else None]


@cache
def calls() -> dict[Call, int]:
    return dict(record(TrainConfig(), FusedIteration)[1])


def stage(call: Call, count: int) -> dict:
    """Least bytes and operations by the contract; by the trace, blocks, bytes of the sectors that the launch
    asks for, and wavefronts of shared memory in a block, with --tf32 too."""
    op, sizes = ops()[call.op], dict(call.sizes)
    arguments = make_arguments(op, sizes, np.random.default_rng(0))
    found, in_tf32 = (trace(op, cuda_kernel(op, tf32), arguments, sizes) for tf32 in (False, True))
    return {
        "op": op.name,
        "sizes": sizes,
        "launches": count,
        "blocks": found.blocks,
        "flop": op.flops(**sizes),
        "bytes": op.bytes(**sizes),
        "sectors": SECTOR * found.sectors,
        "wavefronts": round(found.wavefronts / found.blocks),
        "wavefronts_tf32": round(in_tf32.wavefronts / found.blocks),
    }


def table() -> dict:
    """Stage by stage, and in all."""
    stages = [stage(call, count) for call, count in calls().items()]
    total = {what: sum(s["launches"] * s[what] for s in stages) for what in ("flop", "bytes", "sectors")}
    return {"total": {"launches": sum(s["launches"] for s in stages), **total}, "stages": stages}


def resident(name: str, architecture: str = "sm_80") -> int:
    """How many blocks of a fused kernel an A100's multiprocessor holds, the smallest of those with many."""
    text = json.loads(PTXAS.read_text(encoding="utf-8"))[f"cuda {architecture} float"]["kernels"][name]
    registers, shared = (int(number) for number in re.findall(r"\d+", text))
    return GPUS["a100"].residency(256, registers, shared).blocks


# What is expected -----------------------------------------------------------------------------------------


def work(s: dict, tf32: bool = False) -> dict[str, float]:
    """Seconds that each resource needs at least, were all else free; the tensor cores are never the slowest."""
    rounds = max(1.0, s["blocks"] / GPU.multiprocessors)  # blocks of the busiest multiprocessor, about
    busy = min(s["blocks"], GPU.multiprocessors)
    return {
        "FLOP": 0 if tf32 else s["flop"] / 2 / GPU.lanes / GPU.clock / busy,
        "shared memory": s["wavefronts_tf32" if tf32 else "wavefronts"] * rounds / GPU.clock,
        "L2": max(s["sectors"] / L2_BANDWIDTH, s["sectors"] / busy / L2_TO_ONE / GPU.clock),
    }


def expected(stages: list[dict], tf32: bool = False) -> tuple[float, float]:
    """Seconds of an iteration, from and to: each node's latency, and what its most wanted resource needs.

    What may run beside something longer costs nothing.
    """
    critical = [s for s in stages if s["op"] not in ASIDE and s["sizes"].get("N") != 1]
    seconds = sum(s["launches"] * max(work(s, tf32).values()) for s in critical)
    launches = sum(s["launches"] for s in critical)
    low, high = (seconds + launches * node for node in NODE)
    return low, high


def rows(found: dict) -> list[str]:
    lines = [
        "| stage | launches | blocks | least MB | MB in sectors | MFLOP | bound by | us |",
        "|---|--:|--:|--:|--:|--:|---|--:|",
    ]
    for s in found["stages"]:
        needs = work(s)
        most = max(needs, key=lambda what: needs[what])
        sizes = " ".join(f"{dim}={size}" for dim, size in s["sizes"].items() if dim in "MNK")
        bound = "launch" if needs[most] < NODE[0] / 4 else most
        figures = (s["launches"], s["blocks"], f"{s['bytes'] / 1e6:.2f}", f"{s['sectors'] / 1e6:.1f}")
        figures += (f"{s['flop'] / 1e6:.1f}", bound, f"{1e6 * needs[most]:.1f}")
        lines.append(f"| `{s['op']}` {sizes} | {' | '.join(map(str, figures))} |")
    total = found["total"]
    (low, high), (low_tf32, high_tf32) = (expected(found["stages"], tf32) for tf32 in (False, True))
    lines += [
        "",
        f"In all {total['launches']} launches, {total['bytes'] / 1e6:.1f} MB at least, "
        f"{total['sectors'] / 1e6:.0f} MB in sectors, {total['flop'] / 1e6:.0f} MFLOP; "
        f"expected of an iteration: {1e6 * low:.0f} to {1e6 * high:.0f} us, with `--tf32` "
        f"{1e6 * low_tf32:.0f} to {1e6 * high_tf32:.0f} us.",
    ]
    return lines


def renewed(notes: str, found: dict) -> str:
    """The text of the notes with the table of now."""
    body = "\n".join(rows(found))
    text, count = re.subn(
        r"(<!-- stages: begin -->\n).*?(<!-- stages: end -->)",
        lambda match: f"{match[1]}{body}\n{match[2]}",
        notes,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"{NOTES} has {count} tables of stages")
    return text


def main(file: Path = FILE, notes: Path = NOTES) -> None:
    found = table()
    write_atomically(file, (json.dumps(found, indent=1) + "\n").encode())
    write_atomically(notes, renewed(notes.read_text(encoding="utf-8"), found).encode())


if __name__ == "__main__":
    main()
