"""The layers: each one's forward and backward pass side by side, on buffers made beforehand.

A layer is described first (its parameters and their initial values) and then bound: to a backend, to a number
of rows, and to the arrays that hold its parameters.  After that it computes and allocates nothing.

``forward(x, mode)`` returns the layer's output buffer.  ``backward(dy, train)`` takes the gradient at the
output and returns the one at the input; with ``train`` it also writes the gradients of the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import streams
from .config import BATCHNORM_EPS, BATCHNORM_MOMENTUM, DROPOUT_RATE, EMBEDDING_LIMIT, LEAKY_SLOPE
from .devices.backend import Backend

Array = Any  #: an array of the backend: numpy.ndarray, or one on a device


@dataclass(frozen=True)
class Uniform:
    """Drawn from U(-limit, limit) on a stream of the generator, in iteration 0."""

    limit: float
    stream: int


@dataclass(frozen=True)
class Normal:
    """Drawn from N(0, deviation^2), likewise."""

    deviation: float
    stream: int


@dataclass(frozen=True)
class Constant:
    value: float


@dataclass(frozen=True)
class Tensor:
    """What a layer keeps under a name: its shape, how it starts, and whether the optimiser moves it."""

    shape: tuple[int, ...]
    initial: Uniform | Normal | Constant
    trained: bool = True


@dataclass(frozen=True)
class Mode:
    """What a pass needs to know beside its input.

    ``labels`` (B,) int32.  ``training`` selects batch statistics and dropout.  ``phase`` tells the three passes
    of the discriminator in one iteration apart (0 real, 1 fake, 2 generator step), so that each has masks of
    its own.
    """

    labels: Array
    training: bool
    phase: int = 0


class Layer:
    """A layer with neither parameters nor a change of width; the others override what differs.

    ``x`` is the input, for those whose backward pass reads it.
    """

    x: Array

    def __init__(self, name: str, inputs: int, outputs: int):
        self.name, self.inputs, self.outputs = name, inputs, outputs

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def bind(self, backend: Backend, rows: int, values: dict[str, Array], gradients: dict[str, Array]) -> None:
        """Make the buffers for ``rows`` rows and keep the parameters' arrays, given by full name."""
        self.ops = backend.ops
        self.y = backend.zeros((rows, self.outputs))
        self.dx = backend.zeros((rows, self.inputs))
        for local in self.tensors():
            setattr(self, local, values[f"{self.name}.{local}"])
            if f"{self.name}.{local}" in gradients:
                setattr(self, f"d{local}", gradients[f"{self.name}.{local}"])

    def forward(self, x: Array, mode: Mode) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array, train: bool) -> Array | None:
        raise NotImplementedError


class Embedding(Layer):
    """Multiplies each row by the embedding of its label.

    Parameters
    ----------
    limit : of the initial values.
    first : it is a network's first layer, at whose input nobody asks for the gradient in training.
    """

    weight: Array
    dweight: Array

    def __init__(
        self,
        name: str,
        classes: int,
        width: int,
        stream: int,
        limit: float = EMBEDDING_LIMIT,
        first: bool = False,
    ):
        super().__init__(name, width, width)
        self.classes, self.first, self.initial = classes, first, Uniform(limit, stream)

    def tensors(self):
        return {"weight": Tensor((self.classes, self.outputs), self.initial)}

    def forward(self, x, mode):
        self.x, self.labels = x, mode.labels
        self.ops.embedding_forward(self.y, x, self.weight, mode.labels)
        return self.y

    def backward(self, dy, train):
        if train:
            self.ops.embedding_backward_table(self.dweight, dy, self.x, self.labels)
            if self.first:
                return None
        self.ops.embedding_backward_input(self.dx, dy, self.weight, self.labels)
        return self.dx


class Dense(Layer):
    """y = x w + b, Glorot uniform weights (Glorot & Bengio 2010, equation 16) and zero biases.

    Parameters
    ----------
    first : it is a network's first layer, at whose input nobody asks for the gradient in training.
    initial : of other weights.
    has_bias : before a batchnorm a bias has no say, and b stays zero.
    """

    weight: Array
    bias: Array
    dweight: Array
    dbias: Array

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int,
        stream: int,
        first: bool = False,
        initial: Normal | None = None,
        has_bias: bool = True,
    ):
        super().__init__(name, inputs, outputs)
        self.first, self.has_bias = first, has_bias
        self.initial = initial or Uniform((6 / (inputs + outputs)) ** 0.5, stream)

    def tensors(self):
        weight = {"weight": Tensor((self.inputs, self.outputs), self.initial)}
        return weight | {"bias": Tensor((self.outputs,), Constant(0))} if self.has_bias else weight

    def bind(self, backend, rows, values, gradients):
        super().bind(backend, rows, values, gradients)
        if not self.has_bias:
            self.bias = backend.zeros((self.outputs,))

    def forward(self, x, mode):
        self.x = x
        self.ops.dense_forward(self.y, x, self.weight, self.bias)
        return self.y

    def backward(self, dy, train):
        if train:
            self.ops.dense_backward_weight(self.dweight, self.x, dy)
            if self.has_bias:
                self.ops.dense_backward_bias(self.dbias, dy)
            if self.first:
                return None
        self.ops.dense_backward_input(self.dx, dy, self.weight)
        return self.dx


class LeakyReLU(Layer):
    """Or a ReLU, whose slope is 0."""

    def __init__(self, name: str, width: int, slope: float = LEAKY_SLOPE):
        super().__init__(name, width, width)
        self.slope = slope

    def forward(self, x, mode):
        self.x = x
        self.ops.leaky_relu_forward(self.y, x, self.slope)
        return self.y

    def backward(self, dy, train):
        self.ops.leaky_relu_backward(self.dx, dy, self.x, self.slope)
        return self.dx


class Tanh(Layer):
    def __init__(self, name: str, width: int):
        super().__init__(name, width, width)

    def forward(self, x, mode):
        self.ops.tanh_forward(self.y, x)
        return self.y

    def backward(self, dy, train):
        self.ops.tanh_backward(self.dx, dy, self.y)
        return self.dx


class BatchNorm(Layer):
    """Normalises each feature by the batch's statistics in training, else by the moving ones.

    Parameters
    ----------
    pixels : how many of them a row has; their channels are the features, and statistics are over all pixels.
    """

    gamma: Array
    beta: Array
    dgamma: Array
    dbeta: Array
    moving_mean: Array
    moving_variance: Array

    def __init__(self, name: str, width: int, pixels: int = 1):
        super().__init__(name, width, width)
        self.features = width // pixels

    def tensors(self):
        shape = (self.features,)
        return {
            "gamma": Tensor(shape, Constant(1)),
            "beta": Tensor(shape, Constant(0)),
            "moving_mean": Tensor(shape, Constant(0), trained=False),
            "moving_variance": Tensor(shape, Constant(1), trained=False),
        }

    def bind(self, backend, rows, values, gradients):
        super().bind(backend, rows, values, gradients)
        self.mean = backend.zeros((self.features,))
        self.rstd = backend.zeros((self.features,))
        self.by_pixel = {"y": self._by_pixel(self.y), "dx": self._by_pixel(self.dx)}
        parts, self.ranks = backend.row_parts(len(self.by_pixel["y"])), backend.ranks.size
        self.in_parts = parts > 1 or self.ranks > 1
        if self.in_parts:
            shape = 2, parts, self.features
            sums = backend.zeros(shape)
            self.sums, self.flat_sums = (sums[0], sums[1]), sums.reshape(-1)
            self.moments = backend.zeros((self.ranks, *shape)) if self.ranks > 1 else sums.reshape(1, *shape)
            self.gathered = self.moments.reshape(self.ranks, -1)

    def _by_pixel(self, rows: Array) -> Array:
        return rows.reshape(-1, self.features)

    def forward(self, x, mode):
        self.x, y = self._by_pixel(x), self.by_pixel["y"]
        statistics = self.mean, self.rstd, self.moving_mean, self.moving_variance
        learnt = self.gamma, self.beta, BATCHNORM_EPS, BATCHNORM_MOMENTUM
        if mode.training and self.in_parts:
            self.ops.batchnorm_moments(*self.sums, self.x)
            if self.ranks > 1:
                self.ops.ranks_gather(self.gathered, self.flat_sums)
            self.ops.batchnorm_normalise(y, *statistics, self.x, self.moments, *learnt)
        elif mode.training:
            self.ops.batchnorm_forward_train(y, *statistics, self.x, *learnt)
        else:
            self.ops.batchnorm_forward_inference(
                y, self.x, self.gamma, self.beta, self.moving_mean, self.moving_variance, BATCHNORM_EPS
            )
        return self.y

    def backward(self, dy, train):
        dx, dy = self.by_pixel["dx"], self._by_pixel(dy)
        given = dy, self.x, self.gamma, self.mean, self.rstd
        if self.in_parts:
            self.ops.batchnorm_sums(*self.sums, dy, self.x, self.mean, self.rstd)
            if self.ranks > 1:
                self.ops.ranks_mean(self.flat_sums)
            self.ops.batchnorm_dx(dx, self.dgamma, self.dbeta, *given, *self.sums)
        else:
            self.ops.batchnorm_backward(dx, self.dgamma, self.dbeta, *given)
        return self.dx


class Dropout(Layer):
    """Inverted dropout.  ``index`` tells the dropout layers of a network apart in the generator's streams."""

    def __init__(self, name: str, width: int, index: int):
        super().__init__(name, width, width)
        self.index = index

    def bind(self, backend, rows, values, gradients):
        super().bind(backend, rows, values, gradients)
        self.mask = backend.zeros((rows, self.outputs), "uint8")
        self.first = backend.ranks.rank * rows * self.outputs // 4  # fours of elements in the rows before

    def draw_from(self, iteration: Array, seed: int) -> None:
        """Where masks come from: the (1,) counter of iterations, read at each pass, and the run's seed."""
        self.iteration, self.seed = iteration, seed

    def forward(self, x, mode):
        if not mode.training:
            return x
        stream = streams.dropout(mode.phase, self.index)
        drawn = self.iteration, self.seed, stream, DROPOUT_RATE, self.first
        self.ops.dropout_forward(self.y, self.mask, x, *drawn)
        return self.y

    def backward(self, dy, train):
        self.ops.dropout_backward(self.dx, dy, self.mask, DROPOUT_RATE)
        return self.dx
