"""Iterations a second on the GPU: as a CUDA graph and kernel by kernel, in float32 and in TF32.

The time is the host's, from an idle device to an idle device; the first iterations, which compile and record,
are not in it, and neither is reading the losses, which are checked after each round.  What is known is in the
file after each of the four.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.devices.gpu import CudaBackend
from cgan_raw.fused_iteration import make_iteration

from ..results import keep, reason


@dataclass(frozen=True)
class Rounds:
    """``warm`` iterations that are not timed, then at most so many rounds, until ``seconds`` are over."""

    warm: int
    rounds: int
    iterations: int
    seconds: float


#: As a graph, 20,000 iterations in all: as many as a whole run has; before them one launched, two long graphs.
_GRAPH = Rounds(101, 20, 1_000, 15)
_EAGER = Rounds(10, 10, 50, 3)

#: Name -> tf32, graph.
_CONFIGURATIONS = {
    "graph float32": (False, True),
    "graph TF32": (True, True),
    "eager float32": (False, False),
    "eager TF32": (True, False),
}


def main(out: Path) -> int:
    figures, failed = {}, []
    for name, (tf32, graph) in _CONFIGURATIONS.items():
        try:
            figures[name] = measure(tf32, graph, _GRAPH if graph else _EAGER)
            print(f"{name}: {figures[name]['iterations_per_second']:,.0f} iterations/s", flush=True)
        except Exception as error:
            failed.append(f"{name}: {reason(error)}")
            print(failed[-1], flush=True)
        note = ", ".join(f"{name} {one['iterations_per_second']:,.0f}/s" for name, one in figures.items())
        keep(out, {"note": note, "failed": failed, **figures})
    return 1 if failed else 0


def measure(tf32: bool, graph: bool, plan: Rounds) -> dict:
    """Seconds of each round; RuntimeError if the iterations were not run or a loss is zero or not finite."""
    backend = make_backend("gpu", tf32=tf32, graph=graph)
    assert isinstance(backend, CudaBackend)
    iteration = make_iteration(backend, TrainConfig(), load_training(), max(plan.iterations, plan.warm))
    run_some = backend.repeat(iteration.run)
    synchronize, done, seconds = backend.stream.synchronize, 0, []
    for wanted in (plan.warm, *[plan.iterations] * plan.rounds):
        synchronize()
        started, end = time.perf_counter(), done + wanted
        while done < end:
            done += run_some(end - done)
        synchronize()
        seconds.append(time.perf_counter() - started)
        losses = iteration.read_losses(done - wanted + 1, done)
        ran = iteration.completed()
        if ran != done or not np.all((losses[:, [0, 2]] > 0) & np.isfinite(losses[:, [0, 2]])):
            raise RuntimeError(f"at iteration {ran}, expected {done}, with the losses {losses[-1]}")
        if sum(seconds[1:]) > plan.seconds:
            break
    return {
        "iterations_per_second": plan.iterations / statistics.median(seconds[1:]),
        "iterations_in_a_round": plan.iterations,
        "seconds_of_rounds": seconds[1:],
        "seconds_in_all": sum(seconds[1:]),
        "seconds_of_warm_up": seconds[0],
        "last_losses": losses[-1].tolist(),
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
