"""What is said of a set of images: whose digit was asked for, or that nobody asked for one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import metrics
from .parzen import Parzen


@dataclass(frozen=True)
class Figures:
    """What is said of one set of images, each with the digit that was asked for.

    ``confusion`` (10, 10): how many images of the digit asked for (row) are taken for which (column).
    ``cross_entropy`` in nats.  ``frechet``: from the training set, in the classifier's features.  ``diversity``
    (10,): a digit's spread in those features, in units of that of training images.
    """

    confusion: np.ndarray
    cross_entropy: float
    frechet: float
    diversity: np.ndarray
    parzen: Parzen

    def asdict(self) -> dict:
        """Ready for JSON."""
        return {
            "conditional_accuracy": metrics.accuracy(self.confusion),
            "conditional_accuracy_per_digit": metrics.accuracy_per_digit(self.confusion).tolist(),
            "conditional_cross_entropy": self.cross_entropy,
            "frechet_distance": self.frechet,
            "diversity": float(self.diversity.mean()),
            "diversity_per_digit": self.diversity.tolist(),
            "parzen": self.parzen._asdict(),
            "confusion": self.confusion.tolist(),
        }


#: Figures of a conditional GAN that a plain one cannot have, and why.
LEFT_OUT = dict.fromkeys(
    ("conditional_accuracy", "conditional_cross_entropy", "confusion"), "the generator is asked for no digit"
)


@dataclass(frozen=True)
class Coverage:
    """What is said of one set of images without labels, those of a plain GAN; a digit is what the classifier
    takes an image for.

    ``histogram`` (10,): images of each digit.  ``frechet``: from the training set, in the classifier's
    features.  ``diversity`` (10,): a digit's spread in those features, in units of that of training images;
    NaN where it has fewer than two images.
    """

    histogram: np.ndarray
    frechet: float
    diversity: np.ndarray
    parzen: Parzen

    @property
    def entropy(self) -> float:
        """Of the digits, in nats."""
        return metrics.entropy(self.histogram)

    def asdict(self) -> dict:
        """Ready for JSON, which has null for what is not known."""
        per_digit = [None if np.isnan(value) else float(value) for value in self.diversity]
        return {
            "digits": self.histogram.tolist(),
            "digit_entropy": self.entropy,
            "frechet_distance": self.frechet,
            "diversity": float(np.nanmean(self.diversity)),
            "diversity_per_predicted_digit": per_digit,
            "parzen": self.parzen._asdict(),
            "left_out": LEFT_OUT,
        }
