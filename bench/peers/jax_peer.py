"""The iteration in JAX in its best form.

That is: one jitted ``lax.scan`` over all iterations of a call, so that nothing returns to Python in between;
the state donated, so that parameters and moments are updated in place; the data set a uint8 array on the
device; random numbers drawn inside, all dropout masks of an iteration by one call.

The semantics need no workaround: Adam and batchnorm are written out.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array, lax
from jax import numpy as jnp

from cgan_raw.config import (
    ADAM_BETA2,
    ADAM_EPS,
    BATCHNORM_EPS,
    BATCHNORM_MOMENTUM,
    CLASSES,
    DISCRIMINATOR_WIDTHS,
    DROPOUT_RATE,
    GENERATOR_WIDTHS,
    LATENT,
    LEAKY_SLOPE,
    TrainConfig,
)
from cgan_raw.data import Dataset

from . import Draws, reported

_REAL, _FAKE, _GENERATOR_STEP = range(3)

Values = dict[str, Array]  # tensors by our names


class Trained(NamedTuple):
    """A network's trained tensors and Adam's moments of them."""

    values: Values
    m: Values
    v: Values


class State(NamedTuple):
    """All that changes from iteration to iteration; ``iteration`` () int32 is the latest one that is done."""

    generator: Trained
    moving: Values
    discriminator: Trained
    iteration: Array
    key: Array


class Data(NamedTuple):
    images: Array  #: (N, 784) uint8
    labels: Array  #: (N,) int32


def generate(values: Values, moving: Values, z: Array, labels: Array, training: bool) -> tuple[Array, Values]:
    """Images (B, 784), and the moving statistics after this pass."""
    x, moved = z * values["embedding.weight"][labels], dict(moving)
    for i in range(len(GENERATOR_WIDTHS)):
        x, name = _leaky_relu(_dense(values, i, x)), f"batchnorm{i}"
        if training:
            mean = x.mean(0)
            variance = jnp.square(x - mean).mean(0)
            for kind, batch in (("mean", mean), ("variance", variance)):
                old = moving[f"{name}.moving_{kind}"]
                moved[f"{name}.moving_{kind}"] = BATCHNORM_MOMENTUM * old + (1 - BATCHNORM_MOMENTUM) * batch
        else:
            mean, variance = moving[f"{name}.moving_mean"], moving[f"{name}.moving_variance"]
        scale = values[f"{name}.gamma"] * lax.rsqrt(variance + BATCHNORM_EPS)
        x = (x - mean) * scale + values[f"{name}.beta"]
    return jnp.tanh(_dense(values, len(GENERATOR_WIDTHS), x)), moved


def discriminate(values: Values, x: Array, labels: Array, kept: Array) -> Array:
    """Logits (B, 1); ``kept`` (2, B, 512) bool are the masks of the two dropout layers."""
    x = _leaky_relu(_dense(values, 0, x * values["embedding.weight"][labels]))
    for i in (1, 2):
        x = _leaky_relu(_dense(values, i, x))
        x = jnp.where(kept[i - 1], x / (1 - DROPOUT_RATE), 0)
    return _dense(values, 3, x)


def _dense(values: Values, i: int, x: Array) -> Array:
    return x @ values[f"dense{i}.weight"] + values[f"dense{i}.bias"]


def _leaky_relu(x: Array) -> Array:
    return jnp.where(x > 0, x, LEAKY_SLOPE * x)


def _loss(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean cross-entropy, and the share of logits on the right side."""
    loss = jax.nn.softplus(-logits if target else logits).mean()
    return loss, ((logits > 0) == bool(target)).mean()


def adam(trained: Trained, gradients: Values, t: Array, config: TrainConfig) -> Trained:
    """Update number ``t``, with Keras's "epsilon hat"."""
    # 1 - b^t by expm1: in float32, 1 - 0.999 alone is off by 5e-5 of itself.
    beta1, beta2 = config.beta1, ADAM_BETA2
    correction1, correction2 = (-jnp.expm1(t * math.log(b)) if b else 1.0 for b in (beta1, beta2))
    rate = config.learning_rate * jnp.sqrt(correction2) / correction1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, trained.m, gradients)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, trained.v, gradients)
    values = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + ADAM_EPS), trained.values, m, v)
    return Trained(values, m, v)


def draw(key: Array, rows: int, size: int) -> Draws:
    """One iteration's draws, by JAX's generator; ``size`` is that of the data set."""
    indices, z, wanted, kept = jax.random.split(key, 4)
    return Draws(
        jax.random.randint(indices, (rows,), 0, size),
        jax.random.normal(z, (rows, LATENT)),
        jax.random.randint(wanted, (rows,), 0, CLASSES),
        jax.random.bernoulli(kept, 1 - DROPOUT_RATE, (3, 2, rows, DISCRIMINATOR_WIDTHS[-1])),
    )


def _iterate(config: TrainConfig, data: Data, state: State, draws: Draws) -> tuple[State, Array]:
    """One iteration; loss and accuracy of its three phases (6,)."""
    generator, moving, discriminator, iteration, key = state
    iteration += 1
    x = (data.images[draws.indices].astype(jnp.float32) - 127.5) / 127.5
    y, wanted = data.labels[draws.indices], draws.wanted
    fake, _ = generate(generator.values, moving, draws.z, y, training=False)

    def discriminator_loss(values, x, target, kept):
        return _loss(discriminate(values, x, y, kept), target)

    def generator_loss(values):
        fake, moved = generate(values, moving, draws.z, wanted, training=True)
        loss, right = _loss(discriminate(discriminator.values, fake, wanted, draws.kept[_GENERATOR_STEP]), 1)
        return loss, (right, moved)

    recorded = []
    for t, images, target, phase in ((2 * iteration - 1, x, 1, _REAL), (2 * iteration, fake, 0, _FAKE)):
        gradient = jax.value_and_grad(discriminator_loss, has_aux=True)
        (loss, right), gradients = gradient(discriminator.values, images, target, draws.kept[phase])
        discriminator = adam(discriminator, gradients, t, config)
        recorded += [loss, right]

    (loss, (right, moving)), gradients = jax.value_and_grad(generator_loss, has_aux=True)(generator.values)
    generator = adam(generator, gradients, iteration, config)
    state = State(generator, moving, discriminator, iteration, key)
    return state, jnp.stack([*recorded, loss, right])


@partial(jax.jit, static_argnames=("config", "iterations"), donate_argnames="state")
def _run(config: TrainConfig, iterations: int, data: Data, state: State, draws: Draws | None):
    def body(state: State, given: Draws | None):
        key = jax.random.fold_in(state.key, state.iteration)
        return _iterate(config, data, state, given or draw(key, config.batch_size, len(data.images)))

    return lax.scan(body, state, draws, length=iterations)


class Peer:
    """See :mod:`bench.peers`.  The first call for a number of iterations compiles.

    Parameters
    ----------
    device : ``"cpu"`` or ``"cuda"``.
    tf32 : on a GPU, let the tensor cores multiply, as JAX does unless it is told not to.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        initial: dict[str, dict[str, np.ndarray]],
        device: str = "cpu",
        tf32: bool = False,
    ):
        jax.config.update("jax_platforms", device)
        if device != "cpu":
            jax.config.update("jax_default_matmul_precision", "tensorfloat32" if tf32 else "float32")
        self.config = config
        self.data = Data(jnp.asarray(dataset.images), jnp.asarray(dataset.labels.astype(np.int32)))
        moving = {name: jnp.array(a) for name, a in initial["generator"].items() if ".moving_" in name}
        self.state = State(
            _trained(initial["generator"]),
            moving,
            _trained(initial["discriminator"]),
            jnp.zeros((), jnp.int32),
            jax.random.key(config.seed),
        )

    @property
    def iteration(self) -> int:
        return int(self.state.iteration)

    def tensors(self) -> dict[str, np.ndarray]:
        state = self.state
        networks = {
            "generator": state.generator.values | state.moving,
            "discriminator": state.discriminator.values,
        }
        return {f"{n}.{name}": np.asarray(t) for n, tensors in networks.items() for name, t in tensors.items()}

    def run(self, iterations: int, draws: Draws | None = None) -> np.ndarray:
        self.state, recorded = _run(self.config, iterations, self.data, self.state, draws)
        jax.block_until_ready(self.state)
        return reported(recorded)


def _trained(initial: dict[str, Any]) -> Trained:
    values = {name: jnp.array(a) for name, a in initial.items() if ".moving_" not in name}
    return Trained(values, *({name: jnp.zeros_like(a) for name, a in values.items()} for _ in range(2)))
