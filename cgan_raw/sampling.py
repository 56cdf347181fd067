"""Images from a generator, on noise that is fixed by a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .backend import Backend
from .checkpoint import Checkpoint
from .config import LATENT
from .images import to_uint8
from .layers import Array, Mode
from .models import Network, Parameters

SAMPLES_STREAM = 128


def load_generator(backend: Backend, checkpoint: Checkpoint) -> Parameters:
    """The generator's parameters from a checkpoint."""
    parameters = Parameters(backend, "generator")
    for name, array in parameters.values.items():
        backend.write(array, checkpoint.tensors[f"generator.{name}"])
    return parameters


class Sampler:
    """Draws one fixed set of images: row i is made from label i and from row i of the noise of a seed.

    The noise is drawn once, in iteration 0, so two calls of :meth:`images` differ by the generator alone.

    Parameters
    ----------
    rows : images made at a time, where all at once would take too much memory; it divides their number.
    """

    def __init__(self, parameters: Parameters, labels: Sequence[int], seed: int, rows: int | None = None):
        self.backend, self.labels = parameters.backend, tuple(labels)
        count = len(self.labels)
        rows = count if rows is None else rows
        self.generator = Network(parameters, rows)
        device_labels = self.backend.zeros((count,), "int32")
        self.backend.write(device_labels, np.array(self.labels))
        z = self.backend.zeros((count, LATENT))
        before_training = self.backend.zeros((1,), "int64")
        self.backend.ops.random_normal(z.reshape(-1), before_training, np.uint64(seed), SAMPLES_STREAM)
        parts = [slice(start, start + rows) for start in range(0, count, rows)]
        self.parts = [(z[part], Mode(device_labels[part], training=False)) for part in parts]

    def images(self) -> np.ndarray:
        """(n, 28, 28) uint8, by the moving statistics."""
        return np.concatenate([self.draw(*part) for part in self.parts])

    def draw(self, z: Array, mode: Mode) -> np.ndarray:
        """The images of one of ``parts``."""
        return to_uint8(self.backend.download(self.generator.forward(z, mode)))
