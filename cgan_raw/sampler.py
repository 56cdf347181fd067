"""Images from a generator, on noise that is fixed by a seed."""

from __future__ import annotations

import numpy as np

from . import streams
from .checkpoint import Checkpoint
from .config import LATENT
from .console.progress import bar
from .devices.backend import Backend
from .devices.turns import TURNS
from .images import to_uint8
from .layers import Mode
from .models import Network, Parameters

_ROWS = 1_000  # images at a time, so that few buffers draw many


def load_generator(backend: Backend, checkpoint: Checkpoint) -> Parameters:
    """The generator's parameters from a checkpoint."""
    parameters = Parameters(backend, "generator", checkpoint.config.model)
    for name, array in parameters.values.items():
        backend.write(array, checkpoint.tensors[f"generator.{name}"])
    return parameters


def noise(backend: Backend, count: int, seed: int) -> np.ndarray:
    """(count, 100) on the host: that of sample grids, whose first rows do not depend on ``count``."""
    z = backend.zeros((count, LATENT))
    before_training = backend.zeros((1,), "int64")
    with TURNS:
        backend.ops.random_normal(z.reshape(-1), before_training, np.uint64(seed), streams.SAMPLES)
    return backend.download(z)


class Sampler:
    """Draws one fixed set of images: row i is made from row i of the noise and from label i.

    Two calls of :meth:`images` differ by the generator alone.

    Parameters
    ----------
    z : (n, 100), on the host.
    labels : (n,) rows of the generator's embedding; None for a plain GAN, which has none.
    """

    def __init__(self, parameters: Parameters, z: np.ndarray, labels: np.ndarray | None):
        self.backend, self.z = parameters.backend, z
        self.labels = np.zeros(len(z), np.int32) if labels is None else labels
        self.rows = min(len(z), _ROWS)
        self.generator = Network(parameters, self.rows)
        self.part_of_z = self.backend.zeros((self.rows, LATENT))
        self.part_of_labels = self.backend.zeros((self.rows,), "int32")

    def images(self) -> np.ndarray:
        """(n, 28, 28) uint8, by the moving statistics."""
        starts = range(0, len(self.z), self.rows)
        parts = bar(starts, "drawing") if len(starts) > 1 else starts
        return np.concatenate([to_uint8(self._outputs(start)) for start in parts])

    def _outputs(self, start: int) -> np.ndarray:
        """(up to ``rows``, 784) in [-1, 1], from row ``start`` on; what is left of the buffers is drawn too."""
        part = slice(start, start + self.rows)
        count = len(self.z[part])
        self.backend.write(self.part_of_z[:count], self.z[part])
        self.backend.write(self.part_of_labels[:count], self.labels[part])
        mode = Mode(self.part_of_labels, training=False)
        with TURNS:
            return self.backend.download(self.generator.forward(self.part_of_z, mode))[:count]
