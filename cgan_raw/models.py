"""The two networks as lists of layers, and the flat buffers that hold their parameters.

``model`` says of which GAN a network is: those of the conditional one begin with the embedding of the label,
those of the plain one are the same without it; those of convolutions are in dcgan.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from . import dcgan, streams
from .config import CGAN, CLASSES, DCGAN, DISCRIMINATOR_WIDTHS, GENERATOR_WIDTHS, LATENT, PIXELS
from .devices.backend import Backend
from .devices.turns import TURNS
from .layers import (
    Array,
    BatchNorm,
    Constant,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LeakyReLU,
    Mode,
    Normal,
    Tanh,
    Tensor,
    Uniform,
)

_PADDING = 32  # elements: each parameter starts on a boundary of 128 bytes, which wide loads want


def generator_layers(model: str = CGAN) -> list[Layer]:
    """z (B, 100), and the label in a conditional GAN -> image (B, 784) in [-1, 1]."""
    if model == DCGAN:
        return dcgan.generator_layers()
    layers = _embedding(model, LATENT, streams.GENERATOR)
    widths = (LATENT, *GENERATOR_WIDTHS, PIXELS)
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(Dense(f"dense{i}", inputs, outputs, streams.GENERATOR + 1 + i, first=not layers))
        if i < len(GENERATOR_WIDTHS):
            layers += [LeakyReLU(f"leaky_relu{i}", outputs), BatchNorm(f"batchnorm{i}", outputs)]
    return [*layers, Tanh("tanh", PIXELS)]


def discriminator_layers(model: str = CGAN) -> list[Layer]:
    """Image (B, 784), and the label in a conditional GAN -> logit (B, 1) of the image being real."""
    if model == DCGAN:
        return dcgan.discriminator_layers()
    layers = _embedding(model, PIXELS, streams.DISCRIMINATOR)
    widths = (PIXELS, *DISCRIMINATOR_WIDTHS, 1)
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(Dense(f"dense{i}", inputs, outputs, streams.DISCRIMINATOR + 1 + i, first=not layers))
        if i < len(DISCRIMINATOR_WIDTHS):
            layers.append(LeakyReLU(f"leaky_relu{i}", outputs))
            if i >= 1:
                layers.append(Dropout(f"dropout{i - 1}", outputs, index=i - 1))
    return layers


def _embedding(model: str, width: int, stream: int) -> list[Layer]:
    """What comes before the dense layers."""
    return [Embedding("embedding", CLASSES, width, stream, first=True)] if model == CGAN else []


LAYERS = {"generator": generator_layers, "discriminator": discriminator_layers}


def tensors(network: str, model: str = CGAN) -> dict[str, Tensor]:
    """Every tensor of ``"generator"`` or ``"discriminator"`` by name, e.g. ``dense0.weight``."""
    layers = LAYERS[network](model)
    return {f"{layer.name}.{local}": t for layer in layers for local, t in layer.tensors().items()}


class FlatParameters:
    """All arrays that some tensors keep between iterations, and the gradients of one.

    ``flat``, ``flat_gradient``, ``flat_m`` and ``flat_v`` are (n,): trained tensors one after the other, with
    zeros between them, so that the optimiser sees one array.  ``values``, ``gradients``, ``m`` and ``v`` give
    views of them by tensor name; ``values`` has the moving statistics too.
    """

    def __init__(self, backend: Backend, tensors: dict[str, Tensor]):
        self.backend, self.tensors = backend, tensors
        trained = {name: tensor for name, tensor in self.tensors.items() if tensor.trained}
        offsets = _offsets(trained)
        size = offsets.pop(None)
        self.flat, self.flat_gradient, self.flat_m, self.flat_v = (backend.zeros((size,)) for _ in range(4))
        self.values, self.gradients, self.m, self.v = (
            {name: _view(flat, offsets[name], tensor.shape) for name, tensor in trained.items()}
            for flat in (self.flat, self.flat_gradient, self.flat_m, self.flat_v)
        )
        for name, tensor in self.tensors.items():
            if not tensor.trained:
                self.values[name] = backend.zeros(tensor.shape)

    def initialise(self, seed: int) -> None:
        """Set every value as before iteration 1; m and v are zero from the start."""
        before_training = self.backend.zeros((1,), "int64")
        for name, tensor in self.tensors.items():
            flat, initial, ops = self.values[name].reshape(-1), tensor.initial, self.backend.ops
            match initial:
                case Constant():
                    self.backend.write(flat, np.full(flat.shape, initial.value))
                case Uniform():
                    with TURNS:
                        ops.random_uniform(flat, before_training, seed, initial.stream, initial.limit)
                case Normal():
                    with TURNS:
                        ops.random_normal(flat, before_training, seed, initial.stream)
                        drawn = self.backend.download(flat)
                    self.backend.write(flat, drawn * drawn.dtype.type(initial.deviation))


class Parameters(FlatParameters):
    """Those of the ``"generator"`` or the ``"discriminator"`` of a model."""

    def __init__(self, backend: Backend, network: str, model: str = CGAN):
        super().__init__(backend, tensors(network, model))
        self.network, self.model = network, model

    def named(self) -> Iterator[tuple[str, Array]]:
        """Every array that a checkpoint holds, under the name it has there."""
        for name, array in self.values.items():
            yield f"{self.network}.{name}", array
        for moment, arrays in (("m", self.m), ("v", self.v)):
            for name, array in arrays.items():
                yield f"adam.{moment}.{self.network}.{name}", array


class Network:
    """A list of layers bound to parameters and to a number of rows.

    Several networks may share one :class:`Parameters`: the one that trains, and one of another size that
    samples.
    """

    def __init__(self, parameters: Parameters, rows: int):
        self.parameters = parameters
        self.layers = LAYERS[parameters.network](parameters.model)
        for layer in self.layers:
            layer.bind(parameters.backend, rows, parameters.values, parameters.gradients)

    def draw_dropout_from(self, iteration: Array, seed: int) -> None:
        """See :meth:`cgan_raw.layers.Dropout.draw_from`."""
        for layer in self.layers:
            if isinstance(layer, Dropout):
                layer.draw_from(iteration, seed)

    def forward(self, x: Array, mode: Mode) -> Array:
        """(B, inputs) -> (B, outputs), in a buffer that the next forward pass overwrites."""
        for layer in self.layers:
            x = layer.forward(x, mode)
        return x

    def backward(self, dy: Array, train: bool) -> Array | None:
        """Carry dL/dy back: into the parameters' gradients, or (not ``train``) through to the input's."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy, train)
        return dy


def checkpoint_shapes(model: str = CGAN) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor in a checkpoint."""
    shapes = {}
    for network in LAYERS:
        for name, tensor in tensors(network, model).items():
            shapes[f"{network}.{name}"] = tensor.shape
            if tensor.trained:
                shapes |= {f"adam.{moment}.{network}.{name}": tensor.shape for moment in "mv"}
    return shapes


def summary(network: str, model: str = CGAN) -> str:
    """A table of a network's layers: output shape and parameters; the last line has the sums."""
    lines = [f"{network}", f"  {'layer':<14}{'output':>12}{'parameters':>14}"]
    total = trained = 0
    for layer in LAYERS[network](model):
        sizes = [(math.prod(t.shape), t.trained) for t in layer.tensors().values()]
        count = sum(size for size, _ in sizes)
        total += count
        trained += sum(size for size, is_trained in sizes if is_trained)
        lines.append(f"  {layer.name:<14}{f'(B, {layer.outputs})':>12}{count:>14,}")
    note = f"   {trained:,} of them trained" if trained < total else ""
    lines.append(f"  {'total':<14}{'':>12}{total:>14,}{note}")
    return "\n".join(lines)


def _offsets(trained: dict[str, Tensor]) -> dict[str | None, int]:
    """Where each tensor starts in the flat buffer; under None, the buffer's length."""
    offsets: dict[str | None, int] = {}
    end = 0
    for name, tensor in trained.items():
        offsets[name] = end
        end += -(-math.prod(tensor.shape) // _PADDING) * _PADDING
    offsets[None] = end
    return offsets


def _view(flat: Array, offset: int, shape: tuple[int, ...]) -> Array:
    return flat[offset : offset + int(np.prod(shape))].reshape(shape)
