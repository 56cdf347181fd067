"""Log-likelihood of the test set under a Parzen window on samples, by the protocol of the first GAN papers.

    ln p(x) = ln( 1/n sum_i exp(-|x - s_i|^2 / (2 sigma^2)) ) - d/2 ln(2 pi sigma^2)        in nats

with n = 10,000 samples s_i, pixels in [0, 1] and d = 784.  sigma is the one of ``SIGMAS`` under which 1,000
training images are most likely: the papers' GANs had not seen those, ours is trained on all 60,000.

Source: Goodfellow et al. 2014, arXiv:1406.2661, section 5, and its code, parzen_ll.py of
github.com/goodfeli/adversarial; Mirza & Osindero 2014, arXiv:1411.1784, table 1.
What it is worth: Theis et al. 2016, arXiv:1511.01844.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..console.progress import bar

SIGMAS = np.logspace(-1, 0, 10)  # parzen_ll.py
_ROWS = 250  # points at a time: 20 MB of distances to 10,000 samples


class Parzen(NamedTuple):
    """Mean over the test set and its standard error, in nats, and the width of the window, in pixel values."""

    log_likelihood: float
    standard_error: float
    sigma: float


def parzen(samples: np.ndarray, validation: np.ndarray, test: np.ndarray, what: str) -> Parzen:
    """How likely the test set is under samples; all are (n, 784) uint8.

    ``what`` names the samples while it runs.
    """
    by_sigma = log_likelihoods(validation, samples, SIGMAS, f"sigma, {what}").mean(axis=1)
    sigma = SIGMAS[np.argmax(by_sigma)]
    found = log_likelihoods(test, samples, [sigma], f"Parzen, {what}")[0]
    error = found.std(ddof=1) / np.sqrt(len(found))
    return Parzen(float(found.mean()), float(error), float(sigma))


def log_likelihoods(points: np.ndarray, samples: np.ndarray, sigmas: Sequence[float], what: str) -> np.ndarray:
    """(len(sigmas), n) ln p of each point (n, d) uint8 under samples (m, d) uint8."""
    return np.concatenate(
        [
            np.stack([_log_window(squares, sigma, points.shape[1]) for sigma in sigmas])
            for squares in _squared_distances(points, samples, what)
        ],
        axis=1,
    )


def _squared_distances(points: np.ndarray, samples: np.ndarray, what: str) -> Iterator[np.ndarray]:
    """(rows, m) float64 |x - s|^2 of a few points at a time, pixels in [0, 1].

    Pixels are multiplied as integers, which float64 holds exactly, so |x|^2 + |s|^2 - 2 x s loses nothing.
    """
    s = samples.astype(np.float64)
    squares = np.einsum("ij,ij->i", s, s)
    for start in bar(range(0, len(points), _ROWS), what):
        x = points[start : start + _ROWS].astype(np.float64)
        products = x @ s.T
        products *= -2
        products += squares
        products += np.einsum("ij,ij->i", x, x)[:, None]
        products /= 255**2
        yield products


def _log_window(squares: np.ndarray, sigma: float, dimensions: int) -> np.ndarray:
    """ln p of each row of squared distances; the nearest sample's term is taken out of the sum, so that it does
    not vanish."""
    nearest = squares.min(axis=1)
    terms = squares - nearest[:, None]
    terms *= -1 / (2 * sigma**2)
    np.exp(terms, out=terms)
    log_mean = np.log(terms.mean(axis=1)) - nearest / (2 * sigma**2)
    return log_mean - dimensions / 2 * np.log(2 * np.pi * sigma**2)
