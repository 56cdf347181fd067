"""Short runs on the embedded MNIST, and defects planted in them."""

from functools import cache

import numpy as np

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration
from cgan_raw.layers import Mode

dataset = cache(load_training)


def make_iteration(backend: str, seed: int = 7, batch: int = 32, model: str = "cgan") -> Iteration:
    config = TrainConfig(model=model, seed=seed, batch_size=batch)
    return Iteration(make_backend(backend), config, dataset(), history=16)


def run(iteration: Iteration, count: int) -> Iteration:
    for _ in range(count):
        iteration.run()
    return iteration


# Defects: each takes an Iteration that has not run and spoils it ------------------------------------------


def masks_of_the_first_phase(it):
    """The generator's step sees the masks of the step on real images."""
    it.on_wanted = Mode(it.wanted, training=True, phase=0)


def one_update_a_step(it):
    """Adam's t on the discriminator advances by one an iteration."""
    it.increments[...] = (1, 1, 1, 1)


def batch_statistics_for_fakes(it):
    """The fakes for the discriminator are made in training mode, which moves the moving statistics twice."""
    it.to_show = Mode(it.y, training=True)


def fakes_of_other_labels(it):
    """The fakes are made for the labels that only the generator's step should see."""
    it.to_show = Mode(it.wanted, training=False)


def target_of_fakes(it):
    """The discriminator learns that fakes are real."""
    it.fake_loss.target = 1.0


def variance_is_a_constant(it):
    """Batchnorm's backward lacks what the variance gives back."""

    def batchnorm_backward(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
        dbeta[...] = dy.sum(axis=0)
        dgamma[...] = (dy * (x - mean) * rstd).sum(axis=0)
        dx[...] = gamma * rstd * (dy - dbeta / len(x))

    it.ops.batchnorm_backward = batchnorm_backward


def dropout_gradient_unscaled(it):
    def dropout_backward(dx, dy, mask, rate):
        dx[...] = dy * mask

    it.ops.dropout_backward = dropout_backward


def labels_lag(it):
    """The embedding's backward takes each row's label from the row after it."""
    correct = it.ops.embedding_backward_table
    it.ops.embedding_backward_table = lambda dtable, dy, x, labels: correct(dtable, dy, x, np.roll(labels, -1))


def moving_statistics_stay(it):
    """The moving statistics are not written."""
    correct = it.ops.batchnorm_forward_train

    def batchnorm_forward_train(y, mean, rstd, moving_mean, moving_variance, *rest):
        correct(y, mean, rstd, moving_mean.copy(), moving_variance.copy(), *rest)

    it.ops.batchnorm_forward_train = batchnorm_forward_train


def allocates(it):
    """An op makes a temporary array of the batch's size."""
    correct = it.ops.tanh_forward
    it.ops.tanh_forward = lambda y, x: correct(y, x.copy())


def trembles(it):
    """An op is not the same from run to run, as a sum in the order of arrival would be."""
    correct, rng = it.ops.tanh_forward, np.random.default_rng()
    it.ops.tanh_forward = lambda y, x: correct(y, x + rng.uniform(0, 1e-6, x.shape).astype(x.dtype))
