"""Gathers, the loss and batch normalisation."""

import numpy as np

from .breaking import breaks, reference

# Gather and scatter ---------------------------------------------------------------------------------------


@breaks("batch_gather")
def labels_in_order(x, y, images, labels, indices):
    """Labels are not gathered."""
    reference("batch_gather", x, y, images, labels, indices)
    y[...] = labels[np.arange(len(y)) % len(labels)]


@breaks("batch_gather")
def wrong_scale(x, y, images, labels, indices):
    """256 values, so 128."""
    reference("batch_gather", x, y, images, labels, indices)
    x[...] = (images[indices] - 128.0) / 128


@breaks("embedding_forward")
def swapped_index(y, x, table, labels):
    """Row b of the table, not the row of b's label."""
    y[...] = x * table[np.arange(len(x)) % len(table)]


@breaks("embedding_backward_input")
def divided(dx, dy, table, labels):
    """By the embedding."""
    dx[...] = dy / table[labels]


@breaks("embedding_backward_table")
def last_row_wins(dtable, dy, x, labels):
    """A label that comes twice is stored over, as when two threads do not add atomically."""
    dtable[...] = 0
    dtable[labels] += dy * x


@breaks("embedding_backward_table")
def unnamed_rows_unwritten(dtable, dy, x, labels):
    """The zeros are forgotten."""
    dtable[labels] = 0
    np.add.at(dtable, labels, dy * x)


# Reductions -----------------------------------------------------------------------------------------------


@breaks("bce_forward")
def overflows(loss, accuracy, logits, target):
    """The textbook formula, in which exp overflows and 0 ln 0 is NaN."""
    reference("bce_forward", loss, accuracy, logits, target)
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-logits))
        loss[0] = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()


@breaks("bce_backward")
def sum_for_mean(dlogits, logits, target):
    """The division by B is missing."""
    reference("bce_backward", dlogits, logits, target)
    dlogits *= len(logits)


@breaks("batchnorm_forward_train")
def unbiased_variance(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    """The division is by B - 1."""
    rest = moving_mean, moving_variance, x, gamma, beta, eps, momentum
    reference("batchnorm_forward_train", y, mean, rstd, *rest)
    rstd[...] = 1 / np.sqrt(((x - mean) ** 2).sum(axis=0) / max(1, len(x) - 1) + eps)
    y[...] = gamma * (x - mean) * rstd + beta


@breaks("batchnorm_forward_train")
def one_pass_variance(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    """E[x^2] - E[x]^2."""
    rest = moving_mean, moving_variance, x, gamma, beta, eps, momentum
    reference("batchnorm_forward_train", y, mean, rstd, *rest)
    rstd[...] = 1 / np.sqrt(np.maximum((x * x).mean(axis=0) - mean * mean, 0) + eps)
    y[...] = gamma * (x - mean) * rstd + beta


@breaks("batchnorm_forward_train")
def momentum_reversed(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    """Momentum weighs the new value."""
    rest = moving_mean, moving_variance, x, gamma, beta, eps, 1 - momentum
    reference("batchnorm_forward_train", y, mean, rstd, *rest)


@breaks("batchnorm_forward_inference")
def eps_forgotten(y, x, gamma, beta, moving_mean, moving_variance, eps):
    """The root has no eps."""
    reference("batchnorm_forward_inference", y, x, gamma, beta, moving_mean, moving_variance, 0.0)


@breaks("batchnorm_backward")
def missing_variance_term(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """What the variance gives back is missing."""
    reference("batchnorm_backward", dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
    dx[...] = gamma * rstd * (dy - dbeta / len(x))


@breaks("batchnorm_backward")
def missing_mean_term(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """What the mean gives back is missing."""
    reference("batchnorm_backward", dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
    dx[...] = gamma * rstd * (dy - (x - mean) * rstd * dgamma / len(x))


@breaks("batchnorm_backward")
def swapped_sums(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """dgamma and dbeta change places."""
    reference("batchnorm_backward", dx, dbeta, dgamma, dy, x, gamma, mean, rstd)


@breaks("batchnorm_moments")
def moments_about_zero(means, squares, x):
    """The sum of the squares of x, not of what is left without the mean."""
    reference("batchnorm_moments", means, squares, x)
    squares += means * means


@breaks("batchnorm_normalise")
def parts_weigh_the_same(y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum):
    """The mean of the parts' means, though the last part has fewer rows."""
    rest = moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum
    reference("batchnorm_normalise", y, mean, rstd, *rest)
    mean[...] = moments[:, 0].mean(axis=(0, 1))


@breaks("batchnorm_normalise")
def moments_of_the_first_rank(
    y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum
):
    """What the other ranks have of the batch is left out."""
    rest = moving_mean, moving_variance, x, moments[:1], gamma, beta, eps, momentum
    reference("batchnorm_normalise", y, mean, rstd, *rest)


@breaks("batchnorm_dx")
def first_part_alone(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas):
    """The sums of one part for those of all."""
    reference("batchnorm_dx", dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas)
    dgamma[...], dbeta[...] = dgammas[0], dbetas[0]
