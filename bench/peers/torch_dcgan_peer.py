"""The DCGAN's iteration in PyTorch, eager, in its best form: as torch_peer.py, with images channels last.

Weights of convolutions are kept as PyTorch wants them, (out, in, 4, 4), or (in, out, 4, 4) of transposed ones:
the same permutation of our axes makes both.  The discriminator's moving statistics, which nothing reads, are
not kept.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as fn

from cgan_raw.config import (
    BATCHNORM_EPS,
    BATCHNORM_MOMENTUM,
    CHANNELS,
    KERNEL,
    LEAKY_SLOPE,
    PADDING,
    SIDE,
    STRIDE,
)

from . import torch_peer

_OURS_TO_TORCH, _TORCH_TO_OURS = (3, 2, 0, 1), (2, 3, 1, 0)


class _Network:
    """Trained tensors in ``values``, moving statistics in ``moving``, by our names."""

    def __init__(self, initial: dict[str, np.ndarray], device: str):
        tensors = {name: _to_torch(torch.tensor(a, device=device)) for name, a in initial.items()}
        self.moving = {name: t for name, t in tensors.items() if ".moving_" in name}
        self.values = {name: t.requires_grad_() for name, t in tensors.items() if name not in self.moving}

    def freeze(self, frozen: bool) -> None:
        for value in self.values.values():
            value.requires_grad_(not frozen)


class Generator(_Network):
    """z (B, 100) and labels (B,) -> images (B, 784)."""

    def __init__(self, initial: dict[str, np.ndarray], rows: int, device: str):
        super().__init__(initial, device)
        #: What makes our moving variance of PyTorch's, by layer: see torch_peer.py.
        pixels = {"batchnorm0": (SIDE // 4) ** 2, "batchnorm1": (SIDE // 2) ** 2}
        self.biased = {name: (rows * count - 1) / (rows * count) for name, count in pixels.items()}
        for name, biased in self.biased.items():
            self.moving[f"{name}.moving_variance"] /= biased

    def __call__(self, z: Tensor, labels: Tensor, training: bool) -> Tensor:
        v = self.values
        x = (z * fn.embedding(labels, v["embedding.weight"])) @ v["dense0.weight"]
        x = x.view(len(z), SIDE // 4, SIDE // 4, CHANNELS[1]).permute(0, 3, 1, 2)
        x = fn.relu(self._batchnorm("batchnorm0", x, training))
        x = fn.conv_transpose2d(x, v["transposed0.weight"], None, STRIDE, PADDING)
        x = fn.relu(self._batchnorm("batchnorm1", x, training))
        x = fn.conv_transpose2d(x, v["transposed1.weight"], v["transposed1.bias"], STRIDE, PADDING)
        return torch.tanh(x).reshape(len(z), -1)

    def moving_as_ours(self) -> dict[str, Tensor]:
        variances = {f"{name}.moving_variance": biased for name, biased in self.biased.items()}
        return {name: t * variances.get(name, 1) for name, t in self.moving.items()}

    def _batchnorm(self, name: str, x: Tensor, training: bool) -> Tensor:
        mean, variance = self.moving[f"{name}.moving_mean"], self.moving[f"{name}.moving_variance"]
        variance = variance if training else variance * self.biased[name]
        gamma, beta = self.values[f"{name}.gamma"], self.values[f"{name}.beta"]
        return fn.batch_norm(x, mean, variance, gamma, beta, training, 1 - BATCHNORM_MOMENTUM, BATCHNORM_EPS)


class Discriminator(_Network):
    """Images (B, 784) and labels (B,) -> logits (B, 1)."""

    def __call__(self, x: Tensor, labels: Tensor, kept: Tensor) -> Tensor:
        v = self.values
        x = x.view(-1, 1, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        x = fn.conv2d(x, v["convolution0.weight"], v["convolution0.bias"], STRIDE, PADDING)
        x = fn.conv2d(fn.leaky_relu(x, LEAKY_SLOPE), v["convolution1.weight"], None, STRIDE, PADDING)
        gamma, beta = v["batchnorm0.gamma"], v["batchnorm0.beta"]
        x = fn.leaky_relu(fn.batch_norm(x, None, None, gamma, beta, True, 0, BATCHNORM_EPS), LEAKY_SLOPE)
        x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        x = fn.leaky_relu(torch.addmm(v["dense0.bias"], x, v["dense0.weight"]), LEAKY_SLOPE)
        x = x * fn.embedding(labels, v["embedding.weight"])
        return torch.addmm(v["dense1.bias"], x, v["dense1.weight"])


class Peer(torch_peer.Peer):
    """See :mod:`bench.peers`."""

    make_generator, make_discriminator = Generator, Discriminator

    def sample(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.generator(z, labels, training=True)

    @staticmethod
    def as_ours(tensor: Tensor) -> Tensor:
        return tensor.permute(_TORCH_TO_OURS).contiguous() if tensor.ndim == 4 else tensor


def _to_torch(tensor: Tensor) -> Tensor:
    if tensor.shape[:2] != (KERNEL, KERNEL):
        return tensor
    return tensor.permute(_OURS_TO_TORCH).contiguous(memory_format=torch.channels_last)
