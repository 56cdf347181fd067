"""Activations in NumPy: the definition that every backend is held to.

LeakyReLU with slope a (Maas et al. 2013, section 2):

    (1)  y = x      if x > 0, else a x
    (2)  dx = dy    if x > 0, else a dy

(2) is the derivative of (1) away from 0; at exactly 0, where there is none, the slope is taken to be a.

Hyperbolic tangent, with tanh' = 1 - tanh^2, so that the backward pass needs the output alone:

    (3)  y = tanh(x)
    (4)  dx = dy (1 - y^2)
"""

import numpy as np


def leaky_relu_forward(y, x, slope):
    y[...] = np.where(x > 0, x, slope * x)  # (1)


def leaky_relu_backward(dx, dy, x, slope):
    dx[...] = np.where(x > 0, dy, slope * dy)  # (2)


def tanh_forward(y, x):
    y[...] = np.tanh(x)  # (3)


def tanh_backward(dx, dy, y):
    dx[...] = dy * (1 - y * y)  # (4)
