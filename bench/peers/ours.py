"""Our own iteration, behind the interface of the peers."""

from __future__ import annotations

import numpy as np

from cgan_raw.config import TrainConfig
from cgan_raw.data import Dataset
from cgan_raw.devices.choice import make_backend
from cgan_raw.fused_iteration import make_iteration

_HISTORY = 5_000  # iterations: the most that one call of run() can report


class Peer:
    """A backend of ours.  Its initial values and its draws are its own; the others can be given the same.

    Parameters
    ----------
    backend : the arguments of ``make_backend``.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, initial: dict, **backend):
        self._backend = make_backend(**backend)
        self._iteration = make_iteration(self._backend, config, dataset, _HISTORY)
        self._run_some = self._backend.repeat(self._iteration.run)

    @property
    def iteration(self) -> int:
        return self._iteration.completed()

    def tensors(self) -> dict[str, np.ndarray]:
        return {name: a for name, a in self._iteration.state().items() if not name.startswith("adam.")}

    def run(self, iterations: int, draws: None = None) -> np.ndarray:
        before, done = self.iteration, 0
        while done < iterations:
            done += self._run_some(iterations - done)
        return self._iteration.read_losses(before + 1, self.iteration)
