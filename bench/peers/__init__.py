"""Who is timed: our iteration and the same computation in other frameworks, behind one interface.

Each module here has a class ``Peer``::

    Peer(config: TrainConfig, dataset: Dataset, initial)     initial as from initial_values()
    run(iterations, draws=None) -> (iterations, 3) float64   d_loss, d_accuracy, g_loss of each
    iteration                                                how many it has run so far, read from its own state
    tensors() -> {"generator.dense0.weight": array, ...}     weights and moving statistics as they stand

``run`` returns when all the work is done.  Without ``draws`` a peer draws inside the iteration by its own
generator, as it would in practice; with them it computes on ours, so that its losses can be compared with ours.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cgan_raw.backends import make_backend
from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.models import LAYERS, Parameters


class Draws(NamedTuple):
    """All that is random in N iterations of B rows."""

    indices: Any  #: (N, B) int32, the mini-batches
    z: Any  #: (N, B, 100) float32, the noise
    wanted: Any  #: (N, B) int32, the labels that the generator is asked for
    kept: Any  #: (N, 3, 2, B, 512) bool: what dropout keeps, by phase (real, fake, generator step) and layer


@dataclass(frozen=True)
class Implementation:
    """One row of the comparison.  ``package`` is what must be installed for it, and None is nothing."""

    label: str
    module: str
    package: str | None = None

    def missing(self) -> str | None:
        """Why it cannot run here, or None if it can."""
        if self.package is None or importlib.util.find_spec(self.package) is not None:
            return None
        return f"{self.package} is not installed"

    def make(self, config: TrainConfig) -> Any:
        """Its ``Peer`` on the embedded MNIST, with our initial weights."""
        module = importlib.import_module(f"{__name__}.{self.module}")
        return module.Peer(config, load_training(config.data), initial_values(config.seed))


IMPLEMENTATIONS = {
    "ours": Implementation("cgan_raw, CPU kernels", "ours"),
    "torch": Implementation("PyTorch eager", "torch_peer", "torch"),
    "jax": Implementation("JAX jit + scan", "jax_peer", "jax"),
}


def initial_values(seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Every tensor of both networks before iteration 1, by network and name; dense weights are (in, out)."""
    values = {}
    for network in LAYERS:
        parameters = Parameters(make_backend("cpu"), network)
        parameters.initialise(np.uint64(seed))
        values[network] = parameters.values
    return values


def reported(recorded: np.ndarray) -> np.ndarray:
    """d_loss, d_accuracy and g_loss (N, 3) from loss and accuracy of the three phases (N, 6)."""
    r = np.asarray(recorded, np.float64)
    return np.stack([(r[:, 0] + r[:, 2]) / 2, (r[:, 1] + r[:, 3]) / 2, r[:, 4]], axis=1)
