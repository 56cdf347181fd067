"""Batch normalisation in NumPy (Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1 and section 3).

Forward in training, each feature c over the batch (B rows, biased variance):

    (1)  mean = 1/B sum_b x,    var = 1/B sum_b (x - mean)^2,    rstd = 1 / sqrt(var + eps)
    (2)  xhat = (x - mean) rstd,    y = gamma xhat + beta
    (3)  moving = momentum moving + (1 - momentum) batch        for the mean and for the biased variance

Backward.  gamma and beta stand in (2) directly:

    (4)  dbeta = sum_b dy,    dgamma = sum_b dy xhat

x stands in it three times, itself, in mean and in var.  For one feature, with i and j for rows of the batch and
delta[i,j] = 1 if i = j, else 0, the derivatives of each by x[j], one from the other, are

    d mean / d x[j] = 1/B
    d var  / d x[j] = 2/B sum_i (x[i] - mean) (delta[i,j] - 1/B)
                    = 2/B (x[j] - mean),  as sum_i (x[i] - mean) = 0
    d rstd / d x[j] = -1/2 (var + eps)^(-3/2)  d var / d x[j]
                    = -1/B rstd^3 (x[j] - mean) = -1/B rstd^2 xhat[j]
    d xhat[i] / d x[j] = rstd (delta[i,j] - 1/B) + (x[i] - mean) d rstd / d x[j]
                       = rstd (delta[i,j] - 1/B - xhat[i] xhat[j] / B)

The gradient at xhat[i] is gamma dy[i].  Every xhat[i] depends on x[j], so

    dx[j] = sum_i gamma dy[i]  d xhat[i] / d x[j]
          = gamma rstd (dy[j] - 1/B sum_i dy[i] - xhat[j] 1/B sum_i dy[i] xhat[i])

in which the two sums are those of (4):

    (5)  dx = gamma rstd (dy - dbeta / B - xhat dgamma / B)

Its second term is what the mean gives back, its third what the variance does.

In inference no row depends on another:

    (6)  y = gamma (x - moving_mean) / sqrt(moving_variance + eps) + beta

By parts: part s has n[s] rows, and its own mean[s] and sum of squares q[s] around that.

    (7)  mean[s] = 1/n[s] sum_b x,    q[s] = sum_b (x - mean[s])^2      b in part s

Over a part sum_b (x - mean)^2 = q[s] + n[s] (mean[s] - mean)^2, as sum_b (x - mean[s]) = 0, so those of the
batch follow without a difference of large numbers:

    (8)  mean = 1/B sum_s n[s] mean[s],    var = 1/B sum_s (q[s] + n[s] (mean[s] - mean)^2)

(Chan, Golub & LeVeque 1979, STAN-CS-79-773, of any number of parts).  Where R ranks have as many rows each, the
sums are over the parts of all of them, and the batch has R B rows.

The sums of (4) are sums of those of the parts:

    (9)  dbeta[s] = sum_b dy,    dgamma[s] = sum_b dy xhat      b in part s
    (10)  dbeta = sum_s dbeta[s],    dgamma = sum_s dgamma[s]

By hand, two rows of three features.  eps is 9, far more than in use, so that the roots are whole numbers: var
is 16, 0 and 16, rstd 1/5, 1/3 and 1/5, and xhat = (x - mean) rstd.

    >>> x, gamma, beta = np.array([[1.0, 5, 2], [9, 5, 10]]), np.array([1.0, 3, 5]), np.array([0.0, 1, 0])
    >>> y, (mean, rstd, moving_mean, moving_variance) = np.empty((2, 3)), np.zeros((4, 3))
    >>> batchnorm_forward_train(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, 9, 0.75)
    >>> print(mean, (1 / rstd).round(12), moving_mean, moving_variance)
    [5. 5. 6.] [5. 3. 5.] [1.25 1.25 1.5 ] [4. 0. 4.]
    >>> xhat = (x - mean) * rstd
    >>> print(xhat)
    [[-0.8  0.  -0.8]
     [ 0.8  0.   0.8]]
    >>> print(y)
    [[-0.8  1.  -4. ]
     [ 0.8  1.   4. ]]

Let dy be (1, 2, 1), (3, 4, -1).  Then dbeta = 1 + 3, 2 + 4, 1 - 1 and dgamma = 0.8 (3 - 1), 0, 0.8 (-1 - 1).
The first feature's dx is 1/5 (1 - 4/2 + 0.8 1.6/2) = -0.072 in row 0.  The second feature is constant, so that
only the mean gives back; in the third, where dbeta is 0, only the variance does.

    >>> dy = np.array([[1.0, 2, 1], [3, 4, -1]])
    >>> dx, dgamma, dbeta = np.empty((2, 3)), np.empty(3), np.empty(3)
    >>> batchnorm_backward(dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
    >>> print(dbeta, dgamma)
    [4. 6. 0.] [ 1.6  0.  -1.6]
    >>> print(dx.round(3))
    [[-0.072 -1.     0.36 ]
     [ 0.072  1.    -0.36 ]]
"""

import numpy as np


def batchnorm_forward_train(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    mean[...] = x.mean(axis=0)  # (1)
    variance = ((x - mean) ** 2).mean(axis=0)
    rstd[...] = 1 / np.sqrt(variance + eps)
    y[...] = gamma * ((x - mean) * rstd) + beta  # (2)
    moving_mean[...] = momentum * moving_mean + (1 - momentum) * mean  # (3)
    moving_variance[...] = momentum * moving_variance + (1 - momentum) * variance


def batchnorm_forward_inference(y, x, gamma, beta, moving_mean, moving_variance, eps):
    y[...] = gamma * (x - moving_mean) / np.sqrt(moving_variance + eps) + beta  # (6)


def batchnorm_backward(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    xhat = (x - mean) * rstd
    dbeta[...] = dy.sum(axis=0)  # (4)
    dgamma[...] = (dy * xhat).sum(axis=0)
    dx[...] = gamma * rstd * (dy - dbeta / len(x) - xhat * dgamma / len(x))  # (5)


def part_rows(rows, count):
    """The rows of each part: as many in all but the last ones, which may have fewer, or none."""
    each = -(-rows // count)
    return [slice(min(s * each, rows), min((s + 1) * each, rows)) for s in range(count)]


def batchnorm_moments(means, squares, x):
    for s, rows in enumerate(part_rows(len(x), len(means))):
        mean = x[rows].sum(axis=0) / max(1, len(x[rows]))  # (7)
        means[s], squares[s] = mean, ((x[rows] - mean) ** 2).sum(axis=0)


def batchnorm_normalise(y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum):
    ranks, _, parts, _ = moments.shape
    n = np.array([[len(x[rows])] for rows in part_rows(len(x), parts)])
    means, squares = moments[:, 0], moments[:, 1]
    mean[...] = (n * means).sum(axis=(0, 1)) / (ranks * len(x))  # (8)
    variance = (squares + n * (means - mean) ** 2).sum(axis=(0, 1)) / (ranks * len(x))
    rstd[...] = 1 / np.sqrt(variance + eps)
    y[...] = gamma * ((x - mean) * rstd) + beta  # (2)
    moving_mean[...] = momentum * moving_mean + (1 - momentum) * mean  # (3)
    moving_variance[...] = momentum * moving_variance + (1 - momentum) * variance


def batchnorm_sums(dgammas, dbetas, dy, x, mean, rstd):
    xhat = (x - mean) * rstd
    for s, rows in enumerate(part_rows(len(x), len(dbetas))):
        dbetas[s], dgammas[s] = dy[rows].sum(axis=0), (dy[rows] * xhat[rows]).sum(axis=0)  # (9)


def batchnorm_dx(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas):
    dbeta[...], dgamma[...] = dbetas.sum(axis=0), dgammas.sum(axis=0)  # (10)
    xhat = (x - mean) * rstd
    dx[...] = gamma * rstd * (dy - dbeta / len(x) - xhat * dgamma / len(x))  # (5)
