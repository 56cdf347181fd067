"""Figures in the classifier's eye: does an image show the digit that was asked for, and are images as a whole
distributed as real ones are?

``features`` (n, 256) and ``logits`` (n, 10) are what the classifier makes of n images, ``labels`` (n,) the
digits asked for, all ten of which occur unless it says otherwise.  Everything is summed in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..config import CLASSES


class Moments(NamedTuple):
    """A Gaussian fit to features: ``mean`` (F,) and ``covariance`` (F, F)."""

    mean: np.ndarray
    covariance: np.ndarray


def confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(10, 10) int64: how many images of the digit asked for (row) are taken for which (column)."""
    cells = CLASSES * labels.astype(np.int64) + np.argmax(logits, axis=1)
    return np.bincount(cells, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def accuracy(table: np.ndarray) -> float:
    """The share of images in a confusion table that are taken for the digit asked for."""
    return float(np.trace(table) / table.sum())


def accuracy_per_digit(table: np.ndarray) -> np.ndarray:
    """(10,) the same for each digit asked for."""
    return np.diag(table) / table.sum(axis=1)


def conditional_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """-ln p(label | image), the mean over images, in nats.

    p is the softmax of the logits: the probability of each digit by ten independent sigmoids, given that
    exactly one of them says yes.
    """
    l = logits.astype(np.float64)
    highest = l.max(axis=1)
    log_sum = highest + np.log(np.exp(l - highest[:, None]).sum(axis=1))
    return float(np.mean(log_sum - l[np.arange(len(l)), labels]))


def moments(features: np.ndarray, labels: np.ndarray) -> Moments:
    """Mean and covariance of a mixture in which all digits weigh the same, however often they occur:

        mean = 1/10 sum_c mean_c,    covariance = 1/10 sum_c (covariance_c + d_c d_c^T),    d_c = mean_c - mean

    so that a set with 1,000 images per digit and the test set, which has 892 to 1,135, compare.
    """
    of_each = [features[labels == c].astype(np.float64) for c in range(CLASSES)]
    means = np.stack([f.mean(axis=0) for f in of_each])
    between = np.cov(means, rowvar=False, bias=True)
    within = sum(np.cov(f, rowvar=False) for f in of_each) / CLASSES
    return Moments(means.mean(axis=0), within + between)


def pooled_moments(features: np.ndarray) -> Moments:
    """Mean and covariance of features whose labels nobody knows."""
    f = features.astype(np.float64)
    return Moments(f.mean(axis=0), np.cov(f, rowvar=False))


def histogram(digits: np.ndarray) -> np.ndarray:
    """(10,) int64: how often each digit occurs in (n,) of them."""
    return np.bincount(digits, minlength=CLASSES)


def entropy(counts: np.ndarray) -> float:
    """-sum p ln p of the shares p, in nats: ln 10 = 2.303 if all digits come as often, 0 if one does."""
    shares = counts[counts > 0] / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), the squared Wasserstein-2 distance of two Gaussians.

    S1 S2 has the eigenvalues of the symmetric R S2 R with R = S1^(1/2), so the trace of its root is the sum of
    their roots; rounding may take those of a singular matrix below 0.

    Source
    ------
    Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500, where the features are those of an Inception
    network: values do not compare.
    """
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    of_product = np.linalg.eigvalsh(root @ other.covariance @ root).clip(0)
    traces = np.trace(one.covariance) + np.trace(other.covariance) - 2 * np.sqrt(of_product).sum()
    return float(np.sum((one.mean - other.mean) ** 2) + traces)


def spread(features: np.ndarray) -> float:
    """1 / (n (n - 1)) sum over i != j of |f_i - f_j|: the mean distance between two images.

    0 if all are alike.  Copies of k images lower it by about one k-th: it shows a collapse to few, not to many.
    """
    f = features.astype(np.float64)
    f -= f.mean(axis=0)  # distances stay; less is lost where the squares below cancel
    squares = np.sum(f * f, axis=1)
    distances = np.sqrt((squares[:, None] + squares - 2 * f @ f.T).clip(0))
    np.fill_diagonal(distances, 0)
    return float(distances.sum() / (len(f) * (len(f) - 1)))


def spreads(features: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """(10,) the spread of each digit's images, of its first ``most`` ones; NaN where there are not two."""
    of_each = [features[labels == c][:most] for c in range(CLASSES)]
    return np.array([spread(f) if len(f) > 1 else np.nan for f in of_each])
