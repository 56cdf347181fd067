"""The iteration in PyTorch, eager, in its best form.

That is: plain functions on tensors (no module call to dispatch), dense layers as one ``addmm``, Adam fused over
all tensors of a network, gradients set to None, no graph for the sampled fakes, D frozen in the generator's
step so that no weight gradient of it is computed, the data set in memory as uint8, losses read once a call, and
all dropout masks of an iteration from one call of ``rand`` (on the CPU ``dropout`` takes several times as
long).

Two constants are not where PyTorch keeps them:

Adam's eps.  PyTorch computes  lr / (1 - b1^t) * m / (sqrt(v) / c + eps)  with  c = sqrt(1 - b2^t).  Pulling
1 / c out of the denominator gives Keras's form with  eps_hat = c eps,  so eps is set to eps_hat / c before each
step.  This is exact and costs one Python division.

The moving variance.  ``batch_norm`` moves it by the unbiased variance, B / (B - 1) times the biased one.  The
update is linear, so what is kept here is B / (B - 1) times our moving variance, from the start; the inference
pass scales it back.  That pass is the only reader.
"""

from __future__ import annotations

import math
import os

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as fn

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


class Generator:
    """z (B, 100) and labels (B,) -> images (B, 784).  Trained tensors are in ``values``, by our names."""

    def __init__(self, initial: dict[str, np.ndarray], rows: int, device: str):
        tensors = {name: torch.tensor(array, device=device) for name, array in initial.items()}
        self.biased = (rows - 1) / rows  # what makes our moving variance of PyTorch's
        self.moving = {name: t for name, t in tensors.items() if ".moving_" in name}
        for i in range(len(GENERATOR_WIDTHS)):
            self.moving[f"batchnorm{i}.moving_variance"] /= self.biased
        self.values = {name: t.requires_grad_() for name, t in tensors.items() if name not in self.moving}

    def __call__(self, z: Tensor, labels: Tensor, training: bool) -> Tensor:
        v = self.values
        x = z * fn.embedding(labels, v["embedding.weight"])
        for i in range(len(GENERATOR_WIDTHS)):
            x = fn.leaky_relu(_dense(v, i, x), LEAKY_SLOPE)
            x = self._batchnorm(f"batchnorm{i}", x, training)
        return torch.tanh(_dense(v, len(GENERATOR_WIDTHS), x))

    def moving_as_ours(self) -> dict[str, Tensor]:
        """With variances that are biased, as ours are."""
        return {n: t * self.biased if n.endswith("_variance") else t for n, t in self.moving.items()}

    def _batchnorm(self, name: str, x: Tensor, training: bool) -> Tensor:
        mean, variance = self.moving[f"{name}.moving_mean"], self.moving[f"{name}.moving_variance"]
        return fn.batch_norm(
            x,
            mean,
            variance if training else variance * self.biased,
            self.values[f"{name}.gamma"],
            self.values[f"{name}.beta"],
            training,
            1 - BATCHNORM_MOMENTUM,
            BATCHNORM_EPS,
        )


class Discriminator:
    """Images (B, 784) and labels (B,) -> logits (B, 1), with dropout."""

    def __init__(self, initial: dict[str, np.ndarray], device: str):
        self.values = {
            name: torch.tensor(array, requires_grad=True, device=device) for name, array in initial.items()
        }

    def __call__(self, x: Tensor, labels: Tensor, kept: Tensor) -> Tensor:
        """``kept`` (2, B, 512) bool are the masks of the two dropout layers."""
        v = self.values
        x = fn.leaky_relu(_dense(v, 0, x * fn.embedding(labels, v["embedding.weight"])), LEAKY_SLOPE)
        for i in (1, 2):
            x = fn.leaky_relu(_dense(v, i, x), LEAKY_SLOPE)
            x = x * (kept[i - 1] * (1 / (1 - DROPOUT_RATE)))
        return _dense(v, 3, x)

    def freeze(self, frozen: bool) -> None:
        for value in self.values.values():
            value.requires_grad_(not frozen)


def _dense(values: dict[str, Tensor], i: int, x: Tensor) -> Tensor:
    return torch.addmm(values[f"dense{i}.bias"], x, values[f"dense{i}.weight"])


class Adam:
    """Fused Adam with Keras's "epsilon hat"."""

    def __init__(self, values: dict[str, Tensor], config: TrainConfig):
        betas = (config.beta1, ADAM_BETA2)
        self.optimiser = torch.optim.Adam(values.values(), config.learning_rate, betas, fused=True)
        self.t = 0

    def step(self, loss: Tensor) -> None:
        """The gradients of ``loss``, one update, and the gradients gone again."""
        loss.backward()
        self.t += 1
        self.optimiser.param_groups[0]["eps"] = self.eps()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def eps(self) -> float:
        """What PyTorch's formula wants for update number ``t``."""
        return ADAM_EPS / math.sqrt(1 - ADAM_BETA2**self.t)


def draw(rows: int, size: int, device: str = "cpu") -> Draws:
    """One iteration's draws, by PyTorch's generator; ``size`` is that of the data set."""
    return Draws(
        torch.randint(size, (rows,), device=device),
        torch.randn(rows, LATENT, device=device),
        torch.randint(CLASSES, (rows,), device=device),
        torch.rand(3, 2, rows, DISCRIMINATOR_WIDTHS[-1], device=device) >= DROPOUT_RATE,
    )


class Peer:
    """See :mod:`bench.peers`.  On the CPU PyTorch gets a thread for each core.

    Parameters
    ----------
    device : ``"cpu"`` or ``"cuda"``.
    tf32 : on a GPU, let the tensor cores multiply.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        initial: dict[str, dict[str, np.ndarray]],
        device: str = "cpu",
        tf32: bool = False,
    ):
        torch.set_num_threads(os.cpu_count() or 1)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.manual_seed(config.seed)
        self.rows, self.device = config.batch_size, device
        self.images = torch.tensor(dataset.images, device=device)
        self.labels = torch.tensor(dataset.labels, dtype=torch.int64, device=device)
        self.generator = self.make_generator(initial["generator"], self.rows, device)
        self.discriminator = self.make_discriminator(initial["discriminator"], device)
        self.generator_adam = self.make_adam(self.generator.values, config)
        self.discriminator_adam = self.make_adam(self.discriminator.values, config)

    make_generator, make_discriminator = Generator, Discriminator
    make_adam = staticmethod(Adam)

    @property
    def iteration(self) -> int:
        return self.generator_adam.t

    def tensors(self) -> dict[str, np.ndarray]:
        moving = self.generator.moving_as_ours()
        networks = {"generator": self.generator.values | moving, "discriminator": self.discriminator.values}
        return {
            f"{network}.{name}": self.as_ours(t.detach()).cpu().numpy()
            for network, tensors in networks.items()
            for name, t in tensors.items()
        }

    @staticmethod
    def as_ours(tensor: Tensor) -> Tensor:
        """With the axes in our order."""
        return tensor

    def run(self, iterations: int, draws: Draws | None = None) -> np.ndarray:
        recorded = []
        for i in range(iterations):
            if draws is None:
                recorded += self.iterate(draw(self.rows, len(self.images), self.device))
            else:
                given = (torch.from_numpy(stacked[i]).to(self.device) for stacked in draws)
                recorded += self.iterate(Draws(*given))
        return reported(torch.stack(recorded).reshape(iterations, -1).cpu().numpy())

    def iterate(self, draws: Draws) -> list[Tensor]:
        """One iteration; loss and accuracy of its three phases."""
        y, wanted = self.labels[draws.indices], draws.wanted
        x = (self.images[draws.indices].float() - 127.5) / 127.5
        with torch.no_grad():
            fake = self.sample(draws.z, y)

        recorded = []
        for images, target, phase in ((x, 1, _REAL), (fake, 0, _FAKE)):
            loss, right = self.discriminator_loss(images, y, draws.kept[phase], target)
            self.discriminator_adam.step(loss)
            recorded += [loss.detach(), right]

        self.discriminator.freeze(True)
        loss, right = self.generator_loss(draws.z, wanted, draws.kept[_GENERATOR_STEP])
        self.generator_adam.step(loss)
        self.discriminator.freeze(False)
        return [*recorded, loss.detach(), right]

    # What a compiler is given: functions of tensors alone, none of which calls backward.

    def sample(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.generator(z, labels, training=False)

    def discriminator_loss(self, x: Tensor, labels: Tensor, kept: Tensor, target: int):
        """Mean cross-entropy, and the share of logits on the right side."""
        logits = self.discriminator(x, labels, kept)
        return fn.softplus(-logits if target else logits).mean(), ((logits > 0) == bool(target)).float().mean()

    def generator_loss(self, z: Tensor, wanted: Tensor, kept: Tensor):
        """The same of generated images that pass for real."""
        return self.discriminator_loss(self.generator(z, wanted, training=True), wanted, kept, 1)
