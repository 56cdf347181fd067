"""Our own iteration, behind the interface of the peers."""

from __future__ import annotations

import numpy as np

from cgan_raw.backends import make_backend
from cgan_raw.config import TrainConfig
from cgan_raw.data import Dataset
from cgan_raw.iteration import Iteration

_HISTORY = 1_000  # iterations: the most that one call of run() can report


class Peer:
    """The CPU backend.  Its initial values and its draws are its own; the others can be given the same."""

    def __init__(self, config: TrainConfig, dataset: Dataset, initial: dict):
        self._iteration = Iteration(make_backend("cpu"), config, dataset, _HISTORY)

    @property
    def iteration(self) -> int:
        return int(self._iteration.iteration[0])

    def tensors(self) -> dict[str, np.ndarray]:
        return {name: a for name, a in self._iteration.state().items() if not name.startswith("adam.")}

    def run(self, iterations: int, draws: None = None) -> np.ndarray:
        first = self.iteration + 1
        for _ in range(iterations):
            self._iteration.run()
        return self._iteration.read_losses(first, self.iteration)
