"""Training the classifier with the ops that train the GAN.

Ten binary cross-entropies per image, of the logits l with target 1 for its label y and 0 for the others.  The
loss of the op table has one target for all rows, so the logit of the label changes its sign: by
sigmoid(l) - 1 = -sigmoid(-l),

    loss = mean over b, c of ln(1 + exp(s l)),    dl = s sigmoid(s l) / (10 B),    s = -1 where c = y, else 1

which is target 0 for every s l.  Multiplying a row by what a table holds for its label is the embedding's op.
"""

from __future__ import annotations

import numpy as np

from .. import streams
from ..config import ADAM_BETA2, ADAM_EPS, CLASSES, SIDE
from ..data import Dataset
from ..devices.backend import Backend
from ..devices.turns import TURNS
from ..layers import Array, Embedding, Mode
from ..losses import BinaryCrossEntropy
from ..models import FlatParameters
from .classifier import Classifier, tensors

LEARNING_RATE = 1e-3  # Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1, as is beta1; it falls linearly to 0
BETA1 = 0.9

#: How far images are shifted, in pixels: as they are, and by one to each side and corner.
SHIFTS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
ROWS = 12 * len(SHIFTS)  # a mini-batch: as many images of each shift


class Training:
    """A classifier and what its training needs, one iteration at a time; ``done`` counts them.

    Parameters
    ----------
    dataset : kept on the device as uint8.
    iterations : in all; the learning rate depends on it.
    seed : the result is a function of it, on the same machine.
    """

    def __init__(self, backend: Backend, dataset: Dataset, iterations: int, seed: int):
        self.backend, self.ops, self.seed, self.iterations = backend, backend.ops, np.uint64(seed), iterations
        self.parameters = FlatParameters(backend, tensors())
        self.parameters.initialise(self.seed)
        self.classifier = Classifier(self.parameters, ROWS)
        self.mode = Mode(self.classifier.labels, training=True)
        self.images, self.labels = _shifted(backend, dataset.images), backend.upload(dataset.labels)
        self.signs = _signs(backend)
        self.loss, share = (backend.zeros((1,)) for _ in range(2))
        self.entropy = BinaryCrossEntropy(backend, ROWS * CLASSES, self.loss, share, target=0)
        self.t, self.one = (backend.zeros((1,), "int64") for _ in range(2))
        backend.write(self.one, np.ones(1))
        self.done = 0

    def run(self) -> None:
        """One iteration: draw, differentiate, step."""
        with TURNS:
            self.ops.counters_advance(self.t, self.one)
            self._draw_batch()
            self._differentiate()
            self._step(LEARNING_RATE * (1 - self.done / self.iterations))
        self.done += 1

    def weights(self) -> dict[str, np.ndarray]:
        """By tensor name, as float32 on the host."""
        values = self.parameters.values
        return {name: self.backend.download(a).astype(np.float32) for name, a in values.items()}

    def _draw_batch(self) -> None:
        c, rows = self.classifier, ROWS // len(SHIFTS)
        self.ops.random_integers(c.indices, self.t, self.seed, streams.INDICES, len(self.labels))
        for i, images in enumerate(self.images):
            part = slice(rows * i, rows * (i + 1))
            self.ops.batch_gather(c.x[part], c.labels[part], images, self.labels, c.indices[part])

    def _differentiate(self) -> None:
        """The loss, and the gradients of the weights."""
        signed = self.signs.forward(self.classifier.forward(self.classifier.x, self.mode), self.mode)
        self.entropy.forward(signed.reshape(-1, 1))
        dy = self.signs.backward(self.entropy.backward().reshape(signed.shape), train=False)
        for layer in reversed(self.classifier.layers):
            dy = layer.backward(dy, train=True)

    def _step(self, learning_rate: float) -> None:
        p = self.parameters
        moments = p.flat_m, p.flat_v
        self.ops.adam_step(
            p.flat, *moments, p.flat_gradient, self.t, learning_rate, BETA1, ADAM_BETA2, ADAM_EPS
        )


def _shifted(backend: Backend, images: np.ndarray) -> list[Array]:
    """The images (N, 784) under each shift: views of one array, that many pixels further on.

    What leaves an image on one side comes in on the other, or from its neighbour, in a margin that is blank in
    nearly all of MNIST.
    """
    margin = SIDE + 1
    flat = backend.upload(np.pad(images.reshape(-1), margin))
    starts = (margin + SIDE * dy + dx for dy, dx in SHIFTS)
    return [flat[start : start + images.size].reshape(images.shape) for start in starts]


def _signs(backend: Backend) -> Embedding:
    """Multiplies logits (B, 10) by -1 for the label, 1 for the others."""
    table = backend.zeros((CLASSES, CLASSES))
    backend.write(table, 1 - 2 * np.eye(CLASSES))
    layer = Embedding("signs", CLASSES, CLASSES, stream=0)
    layer.bind(backend, ROWS, {"signs.weight": table}, {})
    return layer
