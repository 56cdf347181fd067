"""The two networks of the conditional DCGAN as lists of layers (Radford et al. 2015, arXiv:1511.06434).

The label's embedding multiplies the noise, as in the other models, and in the discriminator what its dense
layer makes of an image.  Without that layer each local feature would count for itself, and nobody would see
that a loop is open.  A layer before a batchnorm has no bias: its gradient is zero but for rounding, which Adam
would magnify.
"""

from __future__ import annotations

import math

from . import streams
from .config import CHANNELS, CLASSES, FACTOR_LIMIT, HIDDEN, LATENT, PIXELS, SIDE, WEIGHT_DEVIATION
from .image_layers import Convolution, TransposedConvolution
from .layers import BatchNorm, Dense, Embedding, Layer, LeakyReLU, Normal, Tanh

_IMAGE = (SIDE, SIDE, 1)
_LARGE = (SIDE // 2, SIDE // 2, CHANNELS[0])
_SMALL = (SIDE // 4, SIDE // 4, CHANNELS[1])


def generator_layers() -> list[Layer]:
    """z (B, 100) and the label -> image (B, 784) in [-1, 1]."""
    first, small, large = streams.DCGAN_GENERATOR, math.prod(_SMALL), math.prod(_LARGE)
    weights = Normal(WEIGHT_DEVIATION, first + 1)
    return [
        Embedding("embedding", CLASSES, LATENT, first, FACTOR_LIMIT, first=True),
        Dense("dense0", LATENT, small, first + 1, initial=weights, has_bias=False),
        BatchNorm("batchnorm0", small, pixels=small // CHANNELS[1]),
        LeakyReLU("relu0", small, slope=0),
        TransposedConvolution("transposed0", _SMALL, CHANNELS[0], first + 2, has_bias=False),
        BatchNorm("batchnorm1", large, pixels=large // CHANNELS[0]),
        LeakyReLU("relu1", large, slope=0),
        TransposedConvolution("transposed1", _LARGE, 1, first + 3),
        Tanh("tanh", PIXELS),
    ]


def discriminator_layers() -> list[Layer]:
    """Image (B, 784) and the label -> logit (B, 1) of the image being real."""
    first, small, large = streams.DCGAN_DISCRIMINATOR, math.prod(_SMALL), math.prod(_LARGE)
    return [
        Convolution("convolution0", _IMAGE, CHANNELS[0], first + 1, first=True),
        LeakyReLU("leaky_relu0", large),
        Convolution("convolution1", _LARGE, CHANNELS[1], first + 2, has_bias=False),
        BatchNorm("batchnorm0", small, pixels=small // CHANNELS[1]),
        LeakyReLU("leaky_relu1", small),
        Dense("dense0", small, HIDDEN, first + 3, initial=Normal(WEIGHT_DEVIATION, first + 3)),
        LeakyReLU("leaky_relu2", HIDDEN),
        Embedding("embedding", CLASSES, HIDDEN, first, FACTOR_LIMIT),
        Dense("dense1", HIDDEN, 1, first + 4, initial=Normal(WEIGHT_DEVIATION, first + 4)),
    ]
