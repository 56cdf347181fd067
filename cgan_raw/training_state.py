"""What a run keeps from one iteration to the next, whichever way it computes them."""

from __future__ import annotations

import numpy as np

from .config import TrainConfig
from .data import Dataset
from .devices.backend import Backend
from .models import Parameters

#: What changes: the iteration's number, and the number of the Adam update on D (real), on D (fake) and on G.
_COUNTERS_AT_START = (0, -1, 0, 0)
_COUNTERS_PER_ITERATION = (1, 2, 2, 1)

#: What an iteration records: loss and accuracy on real images, on fake ones, and in the generator's step.
_RECORDED = 6


class TrainingState:
    """The data, the networks' parameters, the counters and the latest losses of a run, on a backend.

    Parameters
    ----------
    dataset : kept on the device as uint8 all through the run.
    history : how many of the latest iterations' losses can be read back.
    """

    #: By how many iterations the counters are ahead of those that have been run.
    ahead = 0

    def __init__(self, backend: Backend, config: TrainConfig, dataset: Dataset, history: int):
        self.backend, self.ops, self.config = backend, backend.ops, config
        self.seed = np.uint64(config.seed)
        self.images, self.image_labels = backend.upload(dataset.images), backend.upload(dataset.labels)

        self.counters = backend.zeros((4,), "int64")
        self.increments = backend.zeros((4,), "int64")
        backend.write(self.increments, np.array(_COUNTERS_PER_ITERATION))
        self.iteration, self.t_real, self.t_fake, self.t_generator = (
            self.counters[i : i + 1] for i in range(4)
        )
        self._set_iteration(0)

        self.parameters = {
            network: Parameters(backend, network, config.model) for network in ("generator", "discriminator")
        }
        for parameters in self.parameters.values():
            parameters.initialise(self.seed)

        self.ring = backend.zeros((history, _RECORDED))
        self.losses = backend.zeros((_RECORDED,))
        #: (loss, accuracy), (1,) each, of the three steps.
        self.of_real, self.of_fake, self.of_generator = (
            (self.losses[i : i + 1], self.losses[i + 1 : i + 2]) for i in (0, 2, 4)
        )

    def run(self) -> None:
        """One iteration: draw, train D on real and on fake images, train G, record the losses."""
        raise NotImplementedError

    def completed(self) -> int:
        """How many iterations have been run.  This waits for the device."""
        return int(self.backend.download(self.iteration)[0]) - self.ahead

    def read_losses(self, first: int, last: int) -> np.ndarray:
        """d_loss, d_accuracy and g_loss of iterations first..last, as (last - first + 1, 3) float64.

        They must be among the latest ``history`` ones.  This waits for the device, and for all ranks.
        """
        ring = self.backend.download(self.ring).astype(np.float64)
        rows = ring[np.arange(first, last + 1) % len(ring)]
        rows = self.backend.ranks.mean_host(rows)
        return np.stack([(rows[:, 0] + rows[:, 2]) / 2, (rows[:, 1] + rows[:, 3]) / 2, rows[:, 4]], axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """Every tensor of a checkpoint by name, as float32 on the host."""
        return {name: self.backend.download(array).astype(np.float32) for name, array in self._named()}

    def restore(self, state: dict[str, np.ndarray], iteration: int) -> None:
        """Go on from a checkpoint's tensors as if its iterations had been run here."""
        for name, array in self._named():
            self.backend.write(array, state[name])
        self._set_iteration(iteration)

    def _named(self):
        for parameters in self.parameters.values():
            yield from parameters.named()

    def _set_iteration(self, iteration: int) -> None:
        counters = np.array(_COUNTERS_AT_START) + (iteration + self.ahead) * np.array(_COUNTERS_PER_ITERATION)
        self.backend.write(self.counters, counters)
