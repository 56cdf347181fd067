"""Iterations a second on the GPU: as a CUDA graph and kernel by kernel, in float32 and in TF32.

The time is the host's, from an idle device to an idle device; the first iterations, which compile and record,
are not in it, and neither is reading the losses, which are checked after each round.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from cgan_raw.backends import make_backend
from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.iteration import Iteration

_WARM = 101  # iterations: one launched, two long graphs
#: graph -> rounds, and iterations in each: 20,000 in all as a graph, as many as a whole run has.
_ROUNDS = {True: (20, 1_000), False: (10, 200)}


def main(out: Path) -> int:
    figures = {}
    for tf32 in (False, True):
        for graph in (True, False):
            name = f"{'graph' if graph else 'eager'} {'TF32' if tf32 else 'float32'}"
            figures[name] = _measure(tf32, graph)
            print(f"{name}: {figures[name]['iterations_per_second']:,.0f} iterations/s", flush=True)
    note = ", ".join(f"{name} {one['iterations_per_second']:,.0f}/s" for name, one in figures.items())
    out.write_text(json.dumps({"note": note, **figures}))
    return 0


def _measure(tf32: bool, graph: bool) -> dict:
    """Seconds of each round; RuntimeError if the iterations were not run or a loss is not finite."""
    rounds, count = _ROUNDS[graph]
    backend = make_backend("gpu", tf32=tf32, graph=graph)
    iteration = Iteration(backend, TrainConfig(), load_training(), max(count, _WARM))
    run_some = backend.repeat(iteration.run)
    synchronize, done, seconds = backend.stream.synchronize, 0, []
    for wanted in (_WARM, *[count] * rounds):
        synchronize()
        started, end = time.perf_counter(), done + wanted
        while done < end:
            done += run_some(end - done)
        synchronize()
        seconds.append(time.perf_counter() - started)
        losses = iteration.read_losses(done - wanted + 1, done)
        ran = int(backend.download(iteration.counters)[0])
        if ran != done or not np.isfinite(losses).all():
            raise RuntimeError(f"at iteration {ran}, expected {done}, with the losses {losses[-1]}")
    return {
        "iterations_per_second": count / statistics.median(seconds[1:]),
        "iterations_in_a_round": count,
        "seconds_of_rounds": seconds[1:],
        "seconds_in_all": sum(seconds[1:]),
        "seconds_of_warm_up": seconds[0],
        "last_losses": losses[-1].tolist(),
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
