"""Every number that is chosen, with its source.

"Tutorial" is the Keras CGAN on MNIST that this project starts from: 20,000 iterations, batch 32, a grid of
samples every 200 iterations, and the two networks with their constants, which are those of
github.com/eriklindernoren/Keras-GAN, cgan/cgan.py.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from dataclasses import dataclass
from typing import SupportsIndex

from .errors import InputError

# The networks (tutorial).
LATENT = 100
CLASSES = 10
SIDE = 28
PIXELS = SIDE * SIDE
GENERATOR_WIDTHS = (256, 512, 1024)
DISCRIMINATOR_WIDTHS = (512, 512, 512)
LEAKY_SLOPE = 0.2
DROPOUT_RATE = 0.4
EMBEDDING_LIMIT = 0.05  # Keras's default initialiser for an embedding
BATCHNORM_EPS = 1e-3  # Keras's default; the first layer's variance is about 2e-4, so it matters
BATCHNORM_MOMENTUM = 0.8

# The convolutional networks (Radford et al. 2015, arXiv:1511.06434, brought from 64 x 64 pixels to 28 x 28).
KERNEL, STRIDE, PADDING = 4, 2, 1  # of all convolutions: each halves an image's side, or doubles it
CHANNELS = (64, 128)  # at 14 x 14 and at 7 x 7
HIDDEN = 128  # width of the discriminator's dense layer, which sees the whole image at once
WEIGHT_DEVIATION = 0.02  # of the normal initial weights; section 4 there
FACTOR_LIMIT = 0.3  # of the embeddings; bench/NOTES.md compares others

# What is trained: with the label as an input of both networks, without (Goodfellow et al. 2014,
# arXiv:1406.2661), or with it in convolutional ones.
CGAN, GAN, DCGAN = MODELS = ("cgan", "gan", "dcgan")

# Adam beside its learning rate and beta1 (Keras's defaults).
ADAM_BETA2 = 0.999
ADAM_EPS = 1e-7


#: By a field's type, in words: what its values are in JSON too.
_KINDS = {
    "str": ("text", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number with a point", (float,)),
    "str | None": ("text", (str, type(None))),
}


@dataclass(frozen=True)
class TrainConfig:
    """What a run is a function of, and how often it reports.

    Raises
    ------
    InputError : on a value outside its range, naming the flag.
    """

    model: str = CGAN  # tutorial; Mirza & Osindero 2014, arXiv:1411.1784
    iterations: int = 20_000  # tutorial
    batch_size: int = 32  # tutorial
    seed: int = 0
    learning_rate: float = 2e-4  # tutorial; Radford et al. 2015, arXiv:1511.06434, section 4
    beta1: float = 0.5  # the same
    data: str | None = None  # a folder of IDX files; None is the embedded MNIST
    log_every: int = 100  # iterations between two lines of metrics
    sample_every: int = 200  # tutorial
    checkpoint_every: int = 1_000  # a second or two of training lost at most

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            what, types = _KINDS[field.type]
            _require(type(value) in types, field.name, value, what)
        _require(self.model in MODELS, "model", self.model, " or ".join(MODELS))
        # By 1,024 features, 2^20 rows are what kernels can index; images of 64 channels have 12,544.
        most = 16 if self.model == DCGAN else 20
        _require(1 <= self.batch_size <= 2**most, "batch_size", self.batch_size, f"from 1 to 2^{most}")
        for name in ("iterations", "log_every", "sample_every", "checkpoint_every"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        check_seed(self.seed)
        _require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "positive and finite")
        _require(0 <= self.beta1 < 1, "beta1", self.beta1, "at least 0 and below 1")

    def asdict(self) -> dict:
        """Fields by name, ready for JSON."""
        return dataclasses.asdict(self)


def whole(name: str, value: SupportsIndex) -> int:
    """A setting as an int, of whatever integers it is, NumPy's say; InputError if it is no whole number."""
    _require(hasattr(value, "__index__"), name, value, "a whole number")
    return operator.index(value)


def check_seed(seed: int) -> None:
    """InputError unless it is one."""
    _require(0 <= seed < 2**64, "seed", seed, "from 0 to 2^64 - 1")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise InputError(f"--{name.replace('_', '-')} must be {rule}, not {value}")
