"""Batch normalisation in NumPy (Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1 and section 3).

Forward in training, each feature c over the batch (B rows, biased variance):

    (1)  mean = 1/B sum_b x,    var = 1/B sum_b (x - mean)^2,    rstd = 1 / sqrt(var + eps)
    (2)  xhat = (x - mean) rstd,    y = gamma xhat + beta
    (3)  moving = momentum moving + (1 - momentum) batch        for the mean and for the biased variance

Backward.  gamma and beta enter (2) directly; x enters it three times, itself and through mean and var:

    (4)  dbeta = sum_b dy,    dgamma = sum_b dy xhat
    (5)  dx = gamma rstd (dy - dbeta / B - xhat dgamma / B)

To get (5) write g = gamma dy for the gradient at xhat.  Shifting all x[b] alike leaves xhat unchanged, and so
does scaling x - mean when eps is small; d xhat[i] / d x[j] = rstd (delta_ij - 1/B - xhat[i] xhat[j] / B) is
exact for any eps, because d rstd / d x[j] = -rstd^2 xhat[j] / B, and (5) is its transpose applied to g.  The
second term is what the mean gives back, the third what the variance does.

    (6)  y = gamma (x - moving_mean) / sqrt(moving_variance + eps) + beta        in inference
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
