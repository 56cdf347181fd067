"""Which ops the network calls, and on what sizes: recorded from a real iteration, never listed.

The iteration runs with an op table whose functions compute nothing and note the sizes of their arguments.  So
the shapes that are timed and explained are those that training has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from .config import DCGAN, GAN, TrainConfig
from .data import load_training
from .devices.choice import Backend
from .fused_iteration import FusedIteration
from .iteration import Iteration
from .kernels.registry import Op, make_table, ops
from .training_state import TrainingState


class Call(NamedTuple):
    """An op's name and its sizes, as pairs in the order of ``Op.dims``."""

    op: str
    sizes: tuple[tuple[str, int], ...]


def record(
    config: TrainConfig, kind: type[TrainingState] = Iteration, run: Callable | None = None
) -> tuple[Counter, Counter]:
    """How often each :class:`Call` is made while the networks are set up, and in one iteration.

    Parameters
    ----------
    kind : of iteration: ``Iteration`` or ``FusedIteration``.
    run : what an iteration is, if not ``kind.run``; a test plants a launch too many.
    """
    made: Counter = Counter()

    def recorder(op: Op) -> Callable:
        return lambda *arguments: made.update([Call(op.name, tuple(op.sizes(arguments).items()))])

    backend = Backend(
        "recorder", "notes calls, computes nothing", np.dtype(np.float32), make_table("reference", recorder)
    )
    iteration = kind(backend, config, load_training(), config.log_every)
    before = made.copy()
    made.clear()
    (run or kind.run)(iteration)
    return before, made


@cache
def network_calls() -> dict[Call, int]:
    """The calls of an iteration with the default settings, and of a fused one, in the registry's order, and how
    often each is made.

    An op that only the setting up calls, or a plain GAN, stands there 0 times, at its largest size; one that
    only the DCGAN calls, as an iteration of that calls it.
    """
    before, during = record(TrainConfig())
    found = dict(during) | record(TrainConfig(), FusedIteration)[1]
    for other in (before, record(TrainConfig(model=GAN), FusedIteration)[1]):
        for name in {call.op for call in other} - {call.op for call in found}:
            found[max((call for call in other if call.op == name), key=lambda call: call.sizes)] = 0
    known = {call.op for call in found}
    convolutional = record(TrainConfig(model=DCGAN))[1]
    found |= {call: count for call, count in convolutional.items() if call.op not in known}
    order = list(ops())
    return dict(sorted(found.items(), key=lambda item: order.index(item[0].op)))


def uncalled() -> tuple[str, ...]:
    """The ops that no network calls: they have no shape, so they are not timed."""
    called = {call.op for call in network_calls()}
    return tuple(name for name in ops() if name not in called)


def costliest(op: Op) -> dict[str, int] | None:
    """The sizes of the network's call of an op that has most operations, or of equals moves most bytes; None of
    an op that no network calls."""
    sizes = [dict(call.sizes) for call in network_calls() if call.op == op.name]
    return max(sizes, key=lambda sizes: (op.flops(**sizes), op.bytes(**sizes)), default=None)
