"""A dense layer and what stands before the next one, in NumPy: compositions of the references of single ops.

    (1)  y = LeakyReLU(x w + b)
    (2)  y = LeakyReLU((x table[labels]) w + b)             the factor of the embedding for each row of x
    (3)  y, mask = dropout(LeakyReLU(x w + b))
    (4)  y[0] = batchnorm(LeakyReLU(x[0] w + b))            in inference, by the moving statistics as they stand
    (5)  r = LeakyReLU(x[1] w + b),  y[1] = batchnorm(r)    in training: r's statistics move the moving ones
    (6)  y = tanh(x w + b)

(4) and (5) are one op: the generator draws a mini-batch for the discriminator and one to learn from, with the
same parameters.

No value before LeakyReLU is kept.  The slope is positive, so LeakyReLU's backward pass may be given its output
for its input, and dropout's output where that keeps it: the sign is the same, and so is zero.
"""

import numpy as np

from ..activation.reference import leaky_relu_forward, tanh_forward
from ..batchnorm.reference import batchnorm_forward_inference, batchnorm_forward_train
from ..dense.reference import dense_forward
from ..dropout.reference import dropout_forward
from ..embedding.reference import embedding_forward


def fused_forward_leaky_relu(y, x, w, b, slope):
    dense_forward(y, x, w, b)
    leaky_relu_forward(y, y, slope)  # (1)


def fused_forward_embedding(y, x, table, labels, w, b, slope):
    h = np.empty_like(x)
    embedding_forward(h, x, table, labels)
    fused_forward_leaky_relu(y, h, w, b, slope)  # (2)


def fused_forward_dropout(y, mask, x, w, b, iteration, slope, seed, stream, rate):
    fused_forward_leaky_relu(y, x, w, b, slope)
    dropout_forward(y, mask, y, iteration, seed, stream, rate, 0)  # (3)


def fused_forward_batchnorm(
    y, r, mean, rstd, moving_mean, moving_variance, x, w, b, gamma, beta, slope, eps, momentum
):
    fused_forward_leaky_relu(y[0], x[0], w, b, slope)
    batchnorm_forward_inference(y[0], y[0], gamma, beta, moving_mean, moving_variance, eps)  # (4)
    fused_forward_leaky_relu(r, x[1], w, b, slope)
    batchnorm_forward_train(
        y[1], mean, rstd, moving_mean, moving_variance, r, gamma, beta, eps, momentum
    )  # (5)


def fused_forward_tanh(y, x, w, b):
    dense_forward(y, x, w, b)
    tanh_forward(y, y)  # (6)
