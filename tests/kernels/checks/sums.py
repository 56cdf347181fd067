"""Gathers, the loss and batch normalisation."""

import math

import numpy as np

from .checking import check_of, close, equal

# The mini-batch and the embedding -------------------------------------------------------------------------


@check_of("batch_gather")
def pixels_to_the_range_of_tanh(run):
    images = np.arange(512).reshape(2, 256) % 256
    images[1] = 255 - images[1]
    out = run(images=images, labels=[3, 9], indices=[1, 0, 1])
    equal(out["y"], [9, 3, 9])
    close(out["x"], (images[[1, 0, 1]] - 127.5) / 127.5)
    equal(out["x"][1, [0, 255]], [-1.0, 1.0])


@check_of("embedding_backward_table")
def table_gradient_sums_columns(run):
    """Rows that no label names are exactly zero; over all rows, each column has what its products add up to."""
    rng = np.random.default_rng(1)
    dy, x, labels = rng.integers(-8, 9, (40, 33)), rng.integers(-8, 9, (40, 33)), rng.choice([0, 3, 8], 40)
    table = run(dy=dy, x=x, labels=labels, V=10)["dtable"]
    unnamed = [1, 2, 4, 5, 6, 7, 9]
    equal(table[unnamed], np.zeros((7, 33)))
    np.testing.assert_array_equal(table.sum(axis=0), (dy * x).sum(axis=0))
    for v in (0, 3, 8):
        np.testing.assert_array_equal(table[v], (dy * x)[labels == v].sum(axis=0))


# Binary cross-entropy -------------------------------------------------------------------------------------


@check_of("bce_forward")
def loss_at_extreme_logits(run):
    for logit, target, loss, accuracy in (
        (0, 1, math.log(2), 0),  # p is 1/2, which is not on the side of "real"
        (0, 0, math.log(2), 1),
        (100, 1, 0, 1),
        (100, 0, 100, 0),
        (-100, 1, 100, 0),
        (-100, 0, 0, 1),
        (1e4, 0, 1e4, 0),
    ):
        out = run(logits=[[logit]], target=target)
        close(out["loss"], [loss])
        equal(out["accuracy"], [accuracy])
    out = run(logits=[[100.0], [-100.0], [0.0], [1.0]], target=1)
    close(out["loss"], [(100 + math.log(2) + math.log1p(math.exp(-1))) / 4])
    equal(out["accuracy"], [0.5])


@check_of("bce_backward")
def gradient_at_extreme_logits(run):
    logits = [[100.0], [-100.0], [0.0], [1e4]]
    close(run(logits=logits, target=1)["dlogits"], [[0], [-0.25], [-0.125], [0]], rtol=1e-6)
    close(run(logits=logits, target=0)["dlogits"], [[0.25], [0], [0.125], [0.25]], rtol=1e-6)


# Batch normalisation --------------------------------------------------------------------------------------


@check_of("batchnorm_forward_train")
def normalised_moments(run):
    """Each column of y has mean beta and variance gamma^2 var / (var + eps), whatever the columns of x have."""
    rng = np.random.default_rng(2)
    x = np.float32(rng.standard_normal((65, 40)) * np.geomspace(0.01, 10, 40) + rng.uniform(-3, 3, 40))
    gamma, beta, variance = rng.uniform(-2, 2, 40), rng.uniform(-2, 2, 40), x.astype(np.float64).var(axis=0)
    y = run(x=x, gamma=gamma, beta=beta, eps=1e-3)["y"].astype(np.float64)
    close(y.mean(axis=0), beta, atol=1e-4)
    close(y.var(axis=0), gamma**2 * variance / (variance + 1e-3), rtol=1e-3)


@check_of("batchnorm_forward_train")
def variance_survives_a_large_mean(run):
    """E[x^2] - E[x]^2 would lose it: the squares are 10^6 times the variance."""
    x = np.float32(np.random.default_rng(3).standard_normal((32, 40)) + 1000)
    rstd = run(x=x, eps=1e-3)["rstd"]
    close(rstd, 1 / np.sqrt(x.astype(np.float64).var(axis=0) + 1e-3))


@check_of("batchnorm_forward_train")
def one_row_is_its_own_mean(run):
    out = run(x=[[3.0, -5.0]], beta=[0.5, -0.5], moving_mean=[0, 0], moving_variance=[1, 1], momentum=0.8)
    equal(out["y"], [[0.5, -0.5]])
    equal(out["mean"], [3.0, -5.0])
    close(out["moving_mean"], [0.6, -1.0])
    close(out["moving_variance"], [0.8, 0.8])


@check_of("batchnorm_backward")
def gradient_ignores_shift_and_scale(run):
    """y hardly changes when x is shifted or stretched, so dx is orthogonal to both directions."""
    rng = np.random.default_rng(4)
    x, dy = rng.standard_normal((33, 20)), rng.standard_normal((33, 20))
    mean, rstd = x.mean(axis=0), 1 / x.std(axis=0)
    dx = run(x=x, dy=dy, mean=mean, rstd=rstd, gamma=np.ones(20))["dx"].astype(np.float64)
    close(dx.sum(axis=0), 0, atol=1e-4)
    close((dx * (x - mean)).sum(axis=0), 0, atol=1e-4)
