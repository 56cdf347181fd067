"""The layers whose rows are images, channels last: (H, W, C) one after the other, flat as any other row."""

from __future__ import annotations

import math

from .config import KERNEL, PADDING, STRIDE, WEIGHT_DEVIATION
from .layers import Array, Constant, Layer, Normal, Tensor

Shape = tuple[int, int, int]  #: height, width and channels of an image


class _Convolved(Layer):
    """What both directions share: weights between a large image and a small one, and buffers seen as images.

    Parameters
    ----------
    seen, made : the images that come in and that go out.
    weight : (4, 4, channels of the large image, channels of the small one).
    has_bias : before a batchnorm a bias has no say.
    """

    weight: Array
    bias: Array
    dweight: Array
    dbias: Array

    def __init__(
        self, name: str, seen: Shape, made: Shape, weight: tuple[int, ...], stream: int, has_bias: bool
    ):
        super().__init__(name, math.prod(seen), math.prod(made))
        self.seen, self.made, self.shape, self.has_bias = seen, made, weight, has_bias
        self.initial = Normal(WEIGHT_DEVIATION, stream)

    def tensors(self):
        weight = {"weight": Tensor(self.shape, self.initial)}
        return weight | {"bias": Tensor(self.made[-1:], Constant(0))} if self.has_bias else weight

    def bind(self, backend, rows, values, gradients):
        super().bind(backend, rows, values, gradients)
        self.images_made, self.images_dx = self._made(self.y), self._seen(self.dx)

    def _seen(self, rows: Array) -> Array:
        return rows.reshape(-1, *self.seen)

    def _made(self, rows: Array) -> Array:
        return rows.reshape(-1, *self.made)

    def _add_bias(self) -> Array:
        if self.has_bias:
            self.ops.bias_add(self.y.reshape(-1, self.made[-1]), self.bias)
        return self.y

    def _bias_gradient(self, dy: Array) -> None:
        if self.has_bias:
            self.ops.dense_backward_bias(self.dbias, dy.reshape(-1, self.made[-1]))


class Convolution(_Convolved):
    """Halves the side of images: 4 x 4 taps, stride 2, padding 1.

    Parameters
    ----------
    first : it is a network's first layer, at whose input nobody asks for the gradient in training.
    """

    def __init__(
        self, name: str, image: Shape, channels: int, stream: int, has_bias: bool = True, first: bool = False
    ):
        self.first = first
        height, width = ((side + 2 * PADDING - KERNEL) // STRIDE + 1 for side in image[:2])
        weight = (KERNEL, KERNEL, image[2], channels)
        super().__init__(name, image, (height, width, channels), weight, stream, has_bias)

    def forward(self, x, mode):
        self.x = self._seen(x)
        self.ops.convolution_forward(self.images_made, self.x, self.weight, STRIDE, PADDING)
        return self._add_bias()

    def backward(self, dy, train):
        images = self._made(dy)
        if train:
            self.ops.convolution_backward_weight(self.dweight, self.x, images, STRIDE, PADDING)
            self._bias_gradient(dy)
            if self.first:
                return None
        self.ops.convolution_backward_input(self.images_dx, images, self.weight, STRIDE, PADDING)
        return self.dx


class TransposedConvolution(_Convolved):
    """Doubles the side of images: a convolution backwards, and so its gradient is one forwards."""

    def __init__(self, name: str, image: Shape, channels: int, stream: int, has_bias: bool = True):
        height, width = ((side - 1) * STRIDE + KERNEL - 2 * PADDING for side in image[:2])
        weight = (KERNEL, KERNEL, channels, image[2])
        super().__init__(name, image, (height, width, channels), weight, stream, has_bias)

    def forward(self, x, mode):
        self.x = self._seen(x)
        self.ops.convolution_backward_input(self.images_made, self.x, self.weight, STRIDE, PADDING)
        return self._add_bias()

    def backward(self, dy, train):
        images = self._made(dy)
        if train:
            self.ops.convolution_backward_weight(self.dweight, images, self.x, STRIDE, PADDING)
            self._bias_gradient(dy)
        self.ops.convolution_forward(self.images_dx, images, self.weight, STRIDE, PADDING)
        return self.dx
