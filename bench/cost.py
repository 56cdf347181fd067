"""What an iteration costs by the contracts: launches, operations and least bytes, the same on every machine.

A test compares the table with tests/bench/iteration_cost.json, which ``python -m bench.cost`` (and ``make
tables``) renews; the file belongs to the change that makes it differ.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from cgan_raw.calls import record
from cgan_raw.config import TrainConfig
from cgan_raw.files.writing import write_atomically
from cgan_raw.fused_iteration import FusedIteration
from cgan_raw.iteration import Iteration
from cgan_raw.kernels.registry import ops
from cgan_raw.training_state import TrainingState

COST_FILE = Path(__file__).resolve().parents[1] / "tests" / "bench" / "iteration_cost.json"


def cost(calls: Counter) -> dict[str, dict[str, int]]:
    """Launches, operations and least bytes moved of some calls by the contracts, op by op in the registry's
    order."""
    totals = {name: {"launches": 0, "flop": 0, "bytes": 0} for name in ops()}
    for call, count in calls.items():
        op, sizes, total = ops()[call.op], dict(call.sizes), totals[call.op]
        total["launches"] += count
        total["flop"] += count * op.flops(**sizes)
        total["bytes"] += count * op.bytes(**sizes)
    return {name: total for name, total in totals.items() if total["launches"]}


def iteration_cost(kind: type[TrainingState] = Iteration, run: Callable | None = None) -> dict:
    """What one iteration with the default settings costs, in all and by op; ``run`` as in ``calls.record``."""
    ops_cost = cost(record(TrainConfig(), kind, run)[1])
    total = {what: sum(of[what] for of in ops_cost.values()) for what in ("launches", "flop", "bytes")}
    return {"total": total, "ops": ops_cost}


def on_file() -> dict:
    """What the file holds: an iteration op by op, and a fused one."""
    kinds = {"layered": Iteration, "fused": FusedIteration}
    return {
        "renewed_by": "python -m bench.cost",
        **{name: iteration_cost(kind) for name, kind in kinds.items()},
    }


if __name__ == "__main__":
    write_atomically(COST_FILE, (json.dumps(on_file(), indent=1) + "\n").encode())
