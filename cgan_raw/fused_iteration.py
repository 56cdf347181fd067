"""The training iteration once more, as some 30 calls of fused ops: the schedule of iteration.py, to rounding.

The generator draws for the discriminator and for its own step in one pass, which changes nothing: its
parameters stay as they are in between.  What is computed aside may run at the same time as what follows, up to
the join.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import streams
from .config import (
    ADAM_BETA2,
    ADAM_EPS,
    BATCHNORM_EPS,
    BATCHNORM_MOMENTUM,
    CGAN,
    DCGAN,
    DISCRIMINATOR_WIDTHS,
    DROPOUT_RATE,
    GENERATOR_WIDTHS,
    LATENT,
    LEAKY_SLOPE,
    PIXELS,
    TrainConfig,
)
from .data import Dataset
from .devices.backend import Backend
from .iteration import Iteration
from .layers import Array
from .models import Parameters
from .training_state import TrainingState

#: A parameter with its moments m and v; weight and bias with theirs, or gamma and beta.
Three = tuple[Array, Array, Array]
Six = tuple[Array, Array, Array, Array, Array, Array]


@dataclass
class Stage:
    """A dense layer and what stands before the next one: its parameters, and the buffers of its ops.

    ``y`` is the output, ``dy`` (B, N) the gradient at the product's, ``mask`` that of a dropout.
    """

    w: Array
    b: Array
    trained: Six
    y: Array
    dy: Array
    mask: Array = None


@dataclass
class Norm:
    """A stage's batch normalisation: gamma and beta, the moving statistics, its input, and the batch's."""

    trained: Six
    moving: tuple[Array, Array]
    r: Array
    mean: Array
    rstd: Array


def _three(parameters: Parameters, name: str) -> Three:
    return parameters.values[name], parameters.m[name], parameters.v[name]


class FusedIteration(TrainingState):
    """The stages of one run.  G has the rows of two mini-batches: [0] is for D to see, [1] to learn from."""

    ahead = 1  # the op that records the losses advances the counters, at an iteration's end

    def __init__(self, backend: Backend, config: TrainConfig, dataset: Dataset, history: int):
        super().__init__(backend, config, dataset, history)
        rows, zeros = config.batch_size, backend.zeros
        generator, discriminator = self.parameters.values()
        self.conditional = config.model == CGAN
        self.adam = (config.learning_rate, config.beta1, ADAM_BETA2, ADAM_EPS)
        self.x, self.labels = zeros((rows, PIXELS)), zeros((2, rows), "int32")
        self.h = zeros((2, rows, LATENT))  # what enters G's first dense layer
        if self.conditional:
            self.z = zeros((rows, LATENT))
            self.g_table, self.d_table = (_three(p, "embedding.weight") for p in (generator, discriminator))
        self.g = [self._stage(generator, i, (2, rows, n)) for i, n in enumerate((*GENERATOR_WIDTHS, PIXELS))]
        self.norms = [self._norm(generator, i, (rows, n)) for i, n in enumerate(GENERATOR_WIDTHS)]
        self.image = self.g[-1].y
        self.d = [self._stage(discriminator, i, (rows, n)) for i, n in enumerate((*DISCRIMINATOR_WIDTHS, 1))]
        for stage in self.d[1:-1]:
            stage.mask = zeros(stage.y.shape, "uint8")

    def _stage(self, p: Parameters, i: int, shape: tuple[int, ...]) -> Stage:
        zeros, (w, b) = self.backend.zeros, (_three(p, f"dense{i}.{name}") for name in ("weight", "bias"))
        return Stage(w[0], b[0], (*w, *b), zeros(shape), zeros(shape[-2:]))

    def _norm(self, p: Parameters, i: int, shape: tuple[int, ...]) -> Norm:
        zeros, (gamma, beta) = self.backend.zeros, (_three(p, f"batchnorm{i}.{n}") for n in ("gamma", "beta"))
        moving = p.values[f"batchnorm{i}.moving_mean"], p.values[f"batchnorm{i}.moving_variance"]
        return Norm((*gamma, *beta), moving, zeros(shape), zeros(shape[1:]), zeros(shape[1:]))

    def run(self) -> None:
        """One iteration: draw, train D on real and on fake images, train G, record the losses."""
        self._draw()
        with self.backend.aside():
            self._generator_forward()
        self._train_discriminator(self.x, 0, 1.0, self.of_real, self.t_real)
        self._train_discriminator(self.image[0], 1, 0.0, self.of_fake, self.t_fake)
        self._train_generator()
        self.ops.fused_record(self.ring, self.counters, self.losses, self.increments)

    def _draw(self) -> None:
        """x, z and labels, and what enters G's first dense layer."""
        drawn = (self.iteration, self.seed, streams.INDICES, streams.NOISE)
        if not self.conditional:
            self.ops.fused_draw(self.x, self.h, self.images, *drawn)
            return
        self.ops.fused_draw_embedding(
            self.x, self.labels, self.z, self.h,
            self.images, self.image_labels, self.g_table[0], *drawn, streams.LABELS,
        )  # fmt: skip

    def _generator_forward(self) -> None:
        x, last = self.h, self.g[-1]
        for g, norm in zip(self.g, self.norms, strict=False):
            gamma, beta = norm.trained[0], norm.trained[3]
            self.ops.fused_forward_batchnorm(
                g.y, norm.r, norm.mean, norm.rstd, *norm.moving,
                x, g.w, g.b, gamma, beta, LEAKY_SLOPE, BATCHNORM_EPS, BATCHNORM_MOMENTUM,
            )  # fmt: skip
            x = g.y
        self.ops.fused_forward_tanh(_rows(last.y), _rows(x), last.w, last.b)

    def _discriminator_forward(self, x: Array, labels: Array, phase: int) -> None:
        first, *others, _ = self.d
        if self.conditional:
            self.ops.fused_forward_embedding(first.y, x, self.d_table[0], labels, first.w, first.b, LEAKY_SLOPE)
        else:
            self.ops.fused_forward_leaky_relu(first.y, x, first.w, first.b, LEAKY_SLOPE)
        x = first.y
        for i, d in enumerate(others):
            self.ops.fused_forward_dropout(
                d.y, d.mask, x, d.w, d.b,
                self.iteration, LEAKY_SLOPE, self.seed, streams.dropout(phase, i), DROPOUT_RATE,
            )  # fmt: skip
            x = d.y

    def _train_discriminator(
        self, x: Array, phase: int, target: float, record: tuple[Array, Array], t: Array
    ) -> None:
        ops, adam, labels = self.ops, self.adam, self.labels[0]
        d0, d1, d2, head = self.d
        self._discriminator_forward(x, labels, phase)
        ops.fused_train_head(
            *record, head.dy, d1.dy, *d2.trained,
            d2.y, d2.mask, head.w, head.b, d1.y, d1.mask, t, target, LEAKY_SLOPE, DROPOUT_RATE, *adam,
        )  # fmt: skip
        with self.backend.aside():
            ops.fused_train_dense(*head.trained, head.dy, d2.y, t, *adam)
        ops.fused_train_leaky_relu(d0.dy, *d1.trained, d1.dy, d0.y, t, LEAKY_SLOPE, *adam)
        if self.conditional:
            ops.fused_train_embedding(*d0.trained, *self.d_table, d0.dy, x, labels, t, *adam)
        else:
            ops.fused_train_dense(*d0.trained, d0.dy, x, t, *adam)
        self.backend.join()

    def _train_generator(self) -> None:
        """Through the discriminator, whose own parameters stay as they are, into the generator."""
        ops, adam, t, (image, labels) = self.ops, self.adam, self.t_generator, (self.image[1], self.labels[1])
        (d0, d1, d2, head), (*below, last) = self.d, self.g
        self._discriminator_forward(image, labels, phase=2)
        ops.fused_backward_head(
            *self.of_generator, d1.dy, d2.y, d2.mask, head.w, head.b, d2.w, d1.y, d1.mask, 1.0,
            LEAKY_SLOPE, DROPOUT_RATE,
        )  # fmt: skip
        ops.fused_backward_leaky_relu(d0.dy, d1.dy, d1.w, d0.y, LEAKY_SLOPE)
        if self.conditional:
            ops.fused_backward_embedding(last.dy, d0.dy, d0.w, image, self.d_table[0], labels)
        else:
            ops.fused_backward_tanh(last.dy, d0.dy, d0.w, image)
        g = last
        for g_below, norm in zip(reversed(below), reversed(self.norms), strict=True):
            ops.fused_train_batchnorm(
                g_below.dy, *g.trained, *norm.trained,
                g.dy, g_below.y[1], norm.r, norm.mean, norm.rstd, t, LEAKY_SLOPE, *adam,
            )  # fmt: skip
            g = g_below
        if self.conditional:
            ops.fused_train_embedding(*g.trained, *self.g_table, g.dy, self.z, labels, t, *adam)
        else:
            ops.fused_train_dense(*g.trained, g.dy, self.h[1], t, *adam)


def _rows(halves: Array) -> Array:
    """(2, B, C) as (2B, C)."""
    return halves.reshape(-1, halves.shape[-1])


def make_iteration(
    backend: Backend, config: TrainConfig, dataset: Dataset, history: int, layered: bool = False
) -> Iteration | FusedIteration:
    """The fused iteration where the backend has it for so many rows, unless the other one is asked for."""
    kind = Iteration if layered or why_layered(backend, config) else FusedIteration
    return kind(backend, config, dataset, history)


def why_layered(backend: Backend, config: TrainConfig) -> str:
    """What keeps an iteration from being fused, in words; "" if nothing does."""
    if backend.fused_rows == 0:
        return "there are no fused kernels for it"
    if backend.ranks.size > 1:
        return "ranks add up gradients, which fused kernels do not keep"
    if config.model == DCGAN:
        return "the fused kernels are for networks of dense layers"
    if config.batch_size > backend.fused_rows:
        return f"the fused kernels are for mini-batches of up to {backend.fused_rows}"
    return ""
