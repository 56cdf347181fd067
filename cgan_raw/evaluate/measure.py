"""From a generator to its figures, and the same figures of real images beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..checkpoint import Checkpoint
from ..config import CLASSES, GAN, PIXELS
from ..data import Dataset
from ..devices.backend import Backend
from ..sampler import Sampler, load_generator, noise
from . import classifier, metrics, standard
from .classifier import Classifier
from .figures import Coverage, Figures
from .parzen import Parzen, parzen
from .standard import Standard

PER_DIGIT = 1_000  # samples; Mirza & Osindero 2014, arXiv:1411.1784, table 1
_ROWS = 1_000  # images at a time, in the generator and in the classifier
_VALIDATION = 1_000  # training images on which the width of the Parzen window is chosen


@dataclass(frozen=True)
class Evaluation:
    """Figures of a generator's samples and of real images; both without labels if the samples have none.

    ``classifier`` is what is known of the judge.
    """

    generated: Figures | Coverage
    real: Figures | Coverage
    classifier: dict


class Judge:
    """The classifier, and what it sees in the training set, with which other images are compared."""

    def __init__(self, backend: Backend, weights: dict[str, np.ndarray], training: Dataset):
        self.classifier = Classifier(classifier.parameters(backend, weights), _ROWS)
        self._features, _ = self.classifier.judge(training.images, "judging training images")
        self._labels = training.labels
        self.spreads = metrics.spreads(self._features, self._labels, most=PER_DIGIT)

    @cached_property
    def moments(self) -> metrics.Moments:
        """Of the training set, in which all digits weigh the same."""
        return metrics.moments(self._features, self._labels)

    @cached_property
    def pooled_moments(self) -> metrics.Moments:
        """Of the training set as it is."""
        return metrics.pooled_moments(self._features)

    def figures(self, dataset: Dataset, likelihood: Parzen) -> Figures:
        features, logits = self.classifier.judge(dataset.images, "judging")
        return Figures(
            confusion=metrics.confusion(logits, dataset.labels),
            cross_entropy=metrics.conditional_cross_entropy(logits, dataset.labels),
            frechet=metrics.frechet_distance(metrics.moments(features, dataset.labels), self.moments),
            diversity=metrics.spreads(features, dataset.labels, most=PER_DIGIT) / self.spreads,
            parzen=likelihood,
        )

    def coverage(self, images: np.ndarray, likelihood: Parzen) -> Coverage:
        """The same without labels: the classifier's take their place where some are needed."""
        features, logits = self.classifier.judge(images, "judging")
        digits = np.argmax(logits, axis=1)
        return Coverage(
            histogram=metrics.histogram(digits),
            frechet=metrics.frechet_distance(metrics.pooled_moments(features), self.pooled_moments),
            diversity=metrics.spreads(features, digits, most=PER_DIGIT) / self.spreads,
            parzen=likelihood,
        )


def validation(training_images: int) -> slice:
    """The training images on which the width of the Parzen window is chosen; none after them is used for it."""
    start = 5 * training_images // 6  # 50,000 of MNIST's 60,000
    return slice(start, min(start + _VALIDATION, training_images))


def measure(backend: Backend, checkpoint: Checkpoint, seed: int, against: Standard | None = None) -> Evaluation:
    """Evaluate a checkpoint's generator on the noise of a seed.

    The real images are the test set; in its Parzen figure, training images take the samples' place.

    Parameters
    ----------
    against : None for the checkpoint's data and the classifier that comes with the package.

    Raises
    ------
    InputError : as of :func:`standard.load`.
    """
    against = standard.load(checkpoint) if against is None else against
    training, test = against.training, against.test
    aside = validation(len(training))
    samples = draw(backend, checkpoint, seed, PER_DIGIT)
    judge = Judge(backend, against.weights, training)

    def likelihood(images: np.ndarray, what: str) -> Parzen:
        return parzen(images, training.images[aside], test.images, what)

    def look(dataset: Dataset, of: Parzen) -> Figures | Coverage:
        conditional = checkpoint.config.model != GAN
        return judge.figures(dataset, of) if conditional else judge.coverage(dataset.images, of)

    return Evaluation(
        generated=look(samples, likelihood(samples.images, "samples")),
        real=look(test, likelihood(training.images[: aside.start][: len(samples)], "training images")),
        classifier=against.facts,
    )


def draw(backend: Backend, checkpoint: Checkpoint, seed: int, per_digit: int) -> Dataset:
    """What ``python -m cgan_raw.sample`` draws with this seed and count: every digit, in order.

    A plain GAN draws as many images in all, and does not look at the labels.
    """
    labels = np.repeat(np.arange(CLASSES, dtype=np.uint8), per_digit)
    sampler = Sampler(load_generator(backend, checkpoint), noise(backend, len(labels), seed), labels)
    return Dataset(sampler.images().reshape(-1, PIXELS), labels)
