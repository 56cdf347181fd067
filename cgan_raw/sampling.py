"""Images from a generator, on noise that is fixed by a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .backends import Backend
from .checkpoint import Checkpoint
from .config import LATENT
from .images import to_uint8
from .layers import Mode
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
    """

    def __init__(self, parameters: Parameters, labels: Sequence[int], seed: int):
        self.backend, self.labels = parameters.backend, tuple(labels)
        rows = len(self.labels)
        self.generator = Network(parameters, rows)
        device_labels = self.backend.zeros((rows,), "int32")
        self.backend.write(device_labels, np.array(self.labels))
        self.mode = Mode(device_labels, training=False)
        self.z = self.backend.zeros((rows, LATENT))
        before_training = self.backend.zeros((1,), "int64")
        self.backend.ops.random_normal(self.z.reshape(-1), before_training, np.uint64(seed), SAMPLES_STREAM)

    def images(self) -> np.ndarray:
        """(n, 28, 28) uint8, by the moving statistics."""
        return to_uint8(self.backend.download(self.generator.forward(self.z, self.mode)))
