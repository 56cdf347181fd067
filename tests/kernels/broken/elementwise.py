"""Activations, Adam and the bookkeeping."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .breaking import breaks, reference

# Elementwise ----------------------------------------------------------------------------------------------


@breaks("leaky_relu_backward")
def wrong_sign(dx, dy, x, slope):
    """The slope's sign is lost."""
    dx[...] = np.where(x > 0, dy, -slope * dy)


@breaks("leaky_relu_backward")
def wrong_branch(dx, dy, x, slope):
    """The branches are the wrong way round."""
    dx[...] = np.where(x > 0, slope * dy, dy)


@breaks("tanh_backward")
def missing_square(dx, dy, y):
    """1 - y for 1 - y^2."""
    dx[...] = dy * (1 - y)


@breaks("adam_step")
def eps_inside_the_root(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """sqrt(v + eps) for sqrt(v) + eps."""
    before = p.copy()
    reference("adam_step", p, m, v, g, t, learning_rate, beta1, beta2, eps)
    rate = learning_rate * np.sqrt(1 - beta2 ** float(t[0])) / (1 - beta1 ** float(t[0]))
    p[...] = before - rate * m / np.sqrt(v + eps)


@breaks("adam_step")
def step_one_early(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """t counts from 0."""
    reference("adam_step", p, m, v, g, t + 1, learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def always_the_first_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """t is not read, as when a replayed sequence of launches carries it as an argument."""
    reference("adam_step", p, m, v, g, np.ones_like(t), learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def decays_weights(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """Decoupled weight decay of 1 %: parameters move without a gradient."""
    p *= 1 - 0.01 * learning_rate
    reference("adam_step", p, m, v, g, t, learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def updates_past_the_end(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """The guard against the end is one too lenient, in arrays that are updated."""
    longer = (as_strided(array, (array.size + 1,)) for array in (p, m, v, g))
    with np.errstate(invalid="ignore"):
        reference("adam_step", *longer, t, learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def one_minus_beta2_in_float(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """1 - 0.999f is off by 1.3e-5 of itself."""
    before = v.copy()
    reference("adam_step", p, m, v, g, t, learning_rate, beta1, beta2, eps)
    v[...] = beta2 * before + (1 - float(np.float32(beta2))) * g * g


@breaks("adam_step")
def skips_zero_gradients(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """What a sparse optimiser does."""
    new = p.copy(), m.copy(), v.copy()
    reference("adam_step", *new, g, t, learning_rate, beta1, beta2, eps)
    for array, value in zip((p, m, v), new, strict=True):
        array[g != 0] = value[g != 0]


# Bookkeeping ----------------------------------------------------------------------------------------------


@breaks("counters_advance")
def counters_32_bits(counters, increments):
    """The sum is made in 32 bits."""
    counters[...] = (counters + increments).astype(np.int32)


@breaks("losses_record")
def ring_one_late(ring, losses, iteration):
    """Row (i + 1) mod R."""
    reference("losses_record", ring, losses, iteration + 1)
