"""Which ops the network calls, and on what sizes: recorded from a real iteration, never listed.

The iteration runs with an op table whose functions compute nothing and note the sizes of their arguments.  So
the benchmarks time the shapes that training has, and what an iteration costs by the contracts is a table that
does not depend on a machine.  A test compares it with tests/bench/iteration_cost.json, which ``python -m
bench.calls`` (and ``make tables``) renews; the file belongs to the change that makes it differ.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import Backend
from cgan_raw.files.writing import write_atomically
from cgan_raw.iteration import Iteration
from cgan_raw.kernels.registry import Op, make_table, ops

COST_FILE = Path(__file__).resolve().parents[1] / "tests" / "bench" / "iteration_cost.json"


class Call(NamedTuple):
    """An op's name and its sizes, as pairs in the order of ``Op.dims``."""

    op: str
    sizes: tuple[tuple[str, int], ...]


def record(config: TrainConfig, run: Callable[[Iteration], None] = Iteration.run) -> tuple[Counter, Counter]:
    """How often each :class:`Call` is made while the networks are set up, and in one iteration.

    Parameters
    ----------
    run : what an iteration is; a test plants a launch too many.
    """
    made: Counter = Counter()

    def recorder(op: Op) -> Callable:
        return lambda *arguments: made.update([Call(op.name, tuple(op.sizes(arguments).items()))])

    backend = Backend("recorder", "notes calls, computes nothing", np.dtype(np.float32), make_table(recorder))
    iteration = Iteration(backend, config, load_training(), config.log_every)
    before = made.copy()
    made.clear()
    run(iteration)
    return before, made


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


def iteration_cost(run: Callable[[Iteration], None] = Iteration.run) -> dict:
    """What one iteration with the default settings costs: in all, and by op."""
    ops_cost = cost(record(TrainConfig(), run)[1])
    total = {what: sum(of[what] for of in ops_cost.values()) for what in ("launches", "flop", "bytes")}
    return {"renewed_by": "python -m bench.calls", "total": total, "ops": ops_cost}


@cache
def network_calls() -> dict[Call, int]:
    """The calls of an iteration with the default settings, in the registry's order, and how often each is made.

    An op that only the setting up calls stands there 0 times, at its largest size.
    """
    before, during = record(TrainConfig())
    found = dict(during)
    for name in {call.op for call in before} - {call.op for call in during}:
        found[max((call for call in before if call.op == name), key=lambda call: call.sizes)] = 0
    order = list(ops())
    return dict(sorted(found.items(), key=lambda item: order.index(item[0].op)))


def uncalled() -> tuple[str, ...]:
    """The ops that no network calls: they have no shape, so they are not timed."""
    called = {call.op for call in network_calls()}
    return tuple(name for name in ops() if name not in called)


if __name__ == "__main__":
    write_atomically(COST_FILE, (json.dumps(iteration_cost(), indent=1) + "\n").encode())
