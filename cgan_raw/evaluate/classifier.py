"""The classifier that judges digits: its layers, and the weights that come with the package.

784 - 512 - 256 - 10 with LeakyReLU between.  The ten outputs are the logits of "it is a 0" to "it is a 9".  The
weights are what ``python -m cgan_raw.evaluate.train_classifier`` makes, with its defaults.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors.numpy

from .. import streams
from ..config import CLASSES, PIXELS
from ..console.progress import bar
from ..devices.backend import Backend
from ..devices.turns import TURNS
from ..errors import InputError
from ..files.writing import write_atomically
from ..layers import Array, Dense, Layer, LeakyReLU, Mode, Tensor
from ..models import FlatParameters

SHIPPED = Path(__file__).with_name("classifier.safetensors")

HIDDEN, FEATURES = 512, 256


def layers() -> list[Layer]:
    """Image (B, 784) in [-1, 1] -> logits (B, 10)."""
    return [
        Dense("dense0", PIXELS, HIDDEN, streams.CLASSIFIER),
        LeakyReLU("leaky_relu0", HIDDEN),
        Dense("dense1", HIDDEN, FEATURES, streams.CLASSIFIER + 1),
        LeakyReLU("leaky_relu1", FEATURES),
        Dense("dense2", FEATURES, CLASSES, streams.CLASSIFIER + 2),
    ]


def tensors() -> dict[str, Tensor]:
    """Every tensor of the classifier by name, e.g. ``dense0.weight``."""
    return {f"{layer.name}.{local}": t for layer in layers() for local, t in layer.tensors().items()}


def parameters(backend: Backend, weights: dict[str, np.ndarray]) -> FlatParameters:
    """Weights on the host, by tensor name, as a classifier's parameters."""
    result = FlatParameters(backend, tensors())
    for name, array in weights.items():
        backend.write(result.values[name], array)
    return result


class Classifier:
    """The layers bound to parameters and to a number of rows."""

    def __init__(self, parameters: FlatParameters, rows: int):
        self.backend = backend = parameters.backend
        self.ops, self.rows, self.layers = backend.ops, rows, layers()
        for layer in self.layers:
            layer.bind(backend, rows, parameters.values, parameters.gradients)
        self.x = backend.zeros((rows, PIXELS))
        self.labels, self.indices = (backend.zeros((rows,), "int32") for _ in range(2))

        self.raw = backend.zeros((rows, PIXELS), "uint8")
        self.no_labels = backend.zeros((rows,), "uint8")
        self.in_order = backend.zeros((rows,), "int32")
        backend.write(self.in_order, np.arange(rows))

    def forward(self, x: Array, mode: Mode) -> Array:
        """(B, 784) -> logits (B, 10), in a buffer that the next forward pass overwrites."""
        for layer in self.layers:
            x = layer.forward(x, mode)
        return x

    def judge(self, images: np.ndarray, what: str = "judging") -> tuple[np.ndarray, np.ndarray]:
        """Features (n, 256) and logits (n, 10), float32, of images (n, 784) uint8, ``rows`` at a time.

        The features are what the last dense layer reads.
        """
        features, logits = (np.empty((len(images), width), np.float32) for width in (FEATURES, CLASSES))
        for start in bar(range(0, len(images), self.rows), what):
            part = slice(start, start + self.rows)
            count = len(images[part])
            self.backend.write(self.raw[:count], images[part])
            with TURNS:
                self.ops.batch_gather(self.x, self.labels, self.raw, self.no_labels, self.in_order)
                found = self.forward(self.x, Mode(self.labels, training=False))
            features[part] = self.backend.download(self.layers[-1].x)[:count]
            logits[part] = self.backend.download(found)[:count]
        return features, logits


def save(path: Path, weights: dict[str, np.ndarray], facts: dict) -> None:
    """Write weights, and beside them (.json) what is known of them with the digest of the weights' file.

    Raises
    ------
    OSError : one of the files cannot be written.
    """
    content = safetensors.numpy.save(weights)
    write_atomically(path, content)
    facts = {"sha256": hashlib.sha256(content).hexdigest()} | facts
    write_atomically(path.with_suffix(".json"), (json.dumps(facts, indent=2) + "\n").encode())


def load(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Weights (float32, by tensor name), and what :func:`save` was told of them: ``test_accuracy``, and as
    ``data_digest`` that of the training set.

    Raises
    ------
    InputError : a file is missing, the digest is another, or the tensors are not the classifier's; one line.
    """
    facts_path = path.with_suffix(".json")
    try:
        content, facts = path.read_bytes(), json.loads(facts_path.read_bytes())
        stated = facts["sha256"]
        facts["test_accuracy"] = float(facts["test_accuracy"])
        if not isinstance(facts["data_digest"], str):
            raise TypeError
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{facts_path}: does not say a classifier's digest, data and accuracy") from None
    if hashlib.sha256(content).hexdigest() != stated:
        raise InputError(f"{path}: damaged: it does not have the digest that {facts_path.name} states")
    return _parse(path, content), facts


def _parse(path: Path, content: bytes) -> dict[str, np.ndarray]:
    expected = {name: (np.dtype(np.float32), tensor.shape) for name, tensor in tensors().items()}
    try:
        weights = safetensors.numpy.load(content)
    except Exception:  # the library raises errors of many kinds
        weights = {}
    if {name: (array.dtype, array.shape) for name, array in weights.items()} != expected:
        raise InputError(f"{path}: its tensors are not those of the classifier")
    return weights
