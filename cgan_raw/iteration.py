"""One training iteration (Goodfellow et al. 2014, arXiv:1406.2661, Algorithm 1, with one step for D) as a fixed
sequence of op calls.

It allocates nothing and waits for nothing: buffers are made when the object is, and all that changes from one
iteration to the next lies in arrays of the backend and is advanced there.
"""

from __future__ import annotations

import numpy as np

from . import streams
from .config import CLASSES, LATENT, PIXELS, TrainConfig
from .data import Dataset
from .devices.backend import Backend
from .layers import Mode
from .losses import BinaryCrossEntropy
from .models import Network, Parameters
from .optim import Adam

#: What changes: the iteration's number, and the number of the Adam update on D (real), on D (fake) and on G.
_COUNTERS_AT_START = (0, -1, 0, 0)
_COUNTERS_PER_ITERATION = (1, 2, 2, 1)

#: What an iteration records: loss and accuracy on real images, on fake ones, and in the generator's step.
_RECORDED = 6


class Iteration:
    """The networks, the data and the random streams of one run, one iteration at a time.

    Parameters
    ----------
    dataset : kept on the device as uint8 all through the run.
    history : how many of the latest iterations' losses can be read back.
    """

    def __init__(self, backend: Backend, config: TrainConfig, dataset: Dataset, history: int):
        self.backend, self.ops, self.seed = backend, backend.ops, np.uint64(config.seed)
        rows = config.batch_size
        self.images, self.labels = backend.upload(dataset.images), backend.upload(dataset.labels)

        self.counters = backend.zeros((4,), "int64")
        self.increments = backend.zeros((4,), "int64")
        backend.write(self.increments, np.array(_COUNTERS_PER_ITERATION))
        self.iteration, t_real, t_fake, t_generator = (self.counters[i : i + 1] for i in range(4))
        self._set_iteration(0)

        self.indices, self.y, self.wanted = (backend.zeros((rows,), "int32") for _ in range(3))
        self.x = backend.zeros((rows, PIXELS))
        self.z = backend.zeros((rows, LATENT))
        self.noise = self.z.reshape(-1)

        self.generator = Network(Parameters(backend, "generator", config.model), rows)
        self.discriminator = Network(Parameters(backend, "discriminator", config.model), rows)
        self.discriminator.draw_dropout_from(self.iteration, self.seed)
        for network in (self.generator, self.discriminator):
            network.parameters.initialise(self.seed)

        self.ring = backend.zeros((history, _RECORDED))
        self.losses = backend.zeros((_RECORDED,))
        self.real_loss, self.fake_loss, self.generator_loss = (
            BinaryCrossEntropy(
                backend, rows, self.losses[2 * i : 2 * i + 1], self.losses[2 * i + 1 : 2 * i + 2], target
            )
            for i, target in enumerate((1.0, 0.0, 1.0))
        )
        self.adam_real = Adam(self.discriminator.parameters, t_real, config)
        self.adam_fake = Adam(self.discriminator.parameters, t_fake, config)
        self.adam_generator = Adam(self.generator.parameters, t_generator, config)

        self.sampling = Mode(self.y, training=False)
        self.on_real = Mode(self.y, training=True, phase=0)
        self.on_fake = Mode(self.y, training=True, phase=1)
        self.on_wanted = Mode(self.wanted, training=True, phase=2)

    def run(self) -> None:
        """One iteration: draw, train D on real and on fake images, train G, record the losses."""
        self.ops.counters_advance(self.counters, self.increments)
        self._draw()
        fake = self.generator.forward(self.z, self.sampling)
        self._train_discriminator(self.x, self.on_real, self.real_loss, self.adam_real)
        self._train_discriminator(fake, self.on_fake, self.fake_loss, self.adam_fake)
        self._train_generator()
        self.ops.losses_record(self.ring, self.losses, self.iteration)

    def _draw(self) -> None:
        """A mini-batch (x, y), noise z, and the labels the generator is asked for.

        A plain GAN has no layer that reads a label; all else is drawn alike.
        """
        ops = self.ops
        ops.random_integers(self.indices, self.iteration, self.seed, streams.INDICES, len(self.images))
        ops.batch_gather(self.x, self.y, self.images, self.labels, self.indices)
        ops.random_normal(self.noise, self.iteration, self.seed, streams.NOISE)
        ops.random_integers(self.wanted, self.iteration, self.seed, streams.LABELS, CLASSES)

    def _train_discriminator(self, x, mode: Mode, loss: BinaryCrossEntropy, adam: Adam) -> None:
        loss.forward(self.discriminator.forward(x, mode))
        self.discriminator.backward(loss.backward(), train=True)
        adam.step()

    def _train_generator(self) -> None:
        """Through the discriminator, whose own parameters stay as they are, into the generator."""
        fake = self.generator.forward(self.z, self.on_wanted)
        self.generator_loss.forward(self.discriminator.forward(fake, self.on_wanted))
        dfake = self.discriminator.backward(self.generator_loss.backward(), train=False)
        self.generator.backward(dfake, train=True)
        self.adam_generator.step()

    def read_losses(self, first: int, last: int) -> np.ndarray:
        """d_loss, d_accuracy and g_loss of iterations first..last, as (last - first + 1, 3) float64.

        They must be among the latest ``history`` ones.  This waits for the device.
        """
        ring = self.backend.download(self.ring).astype(np.float64)
        rows = ring[np.arange(first, last + 1) % len(ring)]
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
        yield from self.generator.parameters.named()
        yield from self.discriminator.parameters.named()

    def _set_iteration(self, iteration: int) -> None:
        counters = np.array(_COUNTERS_AT_START) + iteration * np.array(_COUNTERS_PER_ITERATION)
        self.backend.write(self.counters, counters)
