"""Trains some iterations as one of several ranks: ``mpiexec -n N python steps.py OUT CASE ...``.

A case is ``BACKEND:MODEL:SEED:BATCH:ITERATIONS``.

OUT becomes what the first rank has of each, by name, in the backend's own precision, and how many different
states the ranks have.
"""

import hashlib
import sys

import numpy as np

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration
from cgan_raw.ranks import ALONE, Alone


def run(case: str, ranks: Alone = ALONE) -> dict[str, np.ndarray]:
    """The state after some iterations, and their losses."""
    name, model, *numbers = case.split(":")
    seed, batch, iterations = map(int, numbers)
    backend = ranks.distribute(make_backend(name))
    config = TrainConfig(model=model, batch_size=batch, seed=seed)
    iteration = Iteration(backend, config, load_training(), iterations)
    run_some = backend.repeat(iteration.run)
    done = 0
    while done < iterations:
        done += run_some(1)
    losses = iteration.read_losses(1, iterations)
    return {name: np.array(array) for name, array in iteration._named()} | {"losses": losses}


def main(out: str, *cases: str) -> None:
    from mpi4py import MPI

    from cgan_raw.ranks import Mpi

    found = {}
    for case in cases:
        state = run(case, Mpi(MPI.COMM_WORLD))
        digest = hashlib.sha256(b"".join(array.tobytes() for array in state.values())).digest()
        found |= {f"{case}/{name}": array for name, array in state.items()}
        found[f"{case}/states"] = len(set(MPI.COMM_WORLD.allgather(digest)))
    if MPI.COMM_WORLD.rank == 0:
        np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
