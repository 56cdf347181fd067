"""One training iteration (Goodfellow et al. 2014, arXiv:1406.2661, Algorithm 1, with one step for D) as a fixed
sequence of op calls.

It allocates nothing and waits for nothing: buffers are made when the object is, and all that changes from one
iteration to the next lies in arrays of the backend and is advanced there.
"""

from __future__ import annotations

from . import streams
from .config import CLASSES, DCGAN, LATENT, PIXELS, TrainConfig
from .data import Dataset
from .devices.backend import Backend
from .layers import Mode
from .losses import BinaryCrossEntropy
from .models import Network
from .optim import Adam
from .training_state import TrainingState


class Iteration(TrainingState):
    """The networks and the random streams of one run, one iteration at a time, op by op."""

    def __init__(self, backend: Backend, config: TrainConfig, dataset: Dataset, history: int):
        super().__init__(backend, config, dataset, history)
        mine = backend.ranks.rows(config.batch_size)
        rows = mine.stop - mine.start
        self.y = backend.zeros((rows,), "int32")
        self.x = backend.zeros((rows, PIXELS))
        #: What is drawn for all ranks, and of that this one's rows.
        self.all_indices, self.all_wanted = (backend.zeros((config.batch_size,), "int32") for _ in range(2))
        noise = backend.zeros((config.batch_size, LATENT))
        self.indices, self.wanted, self.z = self.all_indices[mine], self.all_wanted[mine], noise[mine]
        self.noise = noise.reshape(-1)

        self.generator, self.discriminator = (Network(p, rows) for p in self.parameters.values())
        self.discriminator.draw_dropout_from(self.iteration, self.seed)
        self.real_loss, self.fake_loss, self.generator_loss = (
            BinaryCrossEntropy(backend, rows, *record, target)
            for record, target in ((self.of_real, 1.0), (self.of_fake, 0.0), (self.of_generator, 1.0))
        )
        self.adam_real = Adam(self.discriminator.parameters, self.t_real, config)
        self.adam_fake = Adam(self.discriminator.parameters, self.t_fake, config)
        self.adam_generator = Adam(self.generator.parameters, self.t_generator, config)

        self.to_show = Mode(self.y, training=config.model == DCGAN)
        self.on_real = Mode(self.y, training=True, phase=0)
        self.on_fake = Mode(self.y, training=True, phase=1)
        self.on_wanted = Mode(self.wanted, training=True, phase=2)

    def run(self) -> None:
        """One iteration: draw, train D on real and on fake images, train G, record the losses."""
        self.ops.counters_advance(self.counters, self.increments)
        self._draw()
        fake = self.generator.forward(self.z, self.to_show)
        self._train_discriminator(self.x, self.on_real, self.real_loss, self.adam_real)
        self._train_discriminator(fake, self.on_fake, self.fake_loss, self.adam_fake)
        self._train_generator()
        self.ops.losses_record(self.ring, self.losses, self.iteration)

    def _draw(self) -> None:
        """A mini-batch (x, y), noise z, and the labels the generator is asked for.

        A plain GAN has no layer that reads a label; all else is drawn alike.
        """
        ops = self.ops
        ops.random_integers(self.all_indices, self.iteration, self.seed, streams.INDICES, len(self.images))
        ops.batch_gather(self.x, self.y, self.images, self.image_labels, self.indices)
        ops.random_normal(self.noise, self.iteration, self.seed, streams.NOISE)
        ops.random_integers(self.all_wanted, self.iteration, self.seed, streams.LABELS, CLASSES)

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
