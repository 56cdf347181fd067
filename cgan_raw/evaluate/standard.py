"""What a generator's images are held against: a classifier, and the data that both have learnt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checkpoint import Checkpoint
from ..config import CLASSES
from ..data import MNIST_DIGEST, Dataset, load_test, load_training
from ..errors import InputError
from . import classifier


@dataclass(frozen=True)
class Standard:
    """``weights`` and ``facts`` are the classifier's, as :func:`classifier.load` gives them; ``name`` is the
    data's."""

    weights: dict[str, np.ndarray]
    facts: dict
    training: Dataset
    test: Dataset
    name: str


def load(checkpoint: Checkpoint, judge: Path | None = None, folder: str | Path | None = None) -> Standard:
    """The standard for a checkpoint.

    Parameters
    ----------
    judge : a classifier's weights; None for the one that comes with the package, which knows MNIST.
    folder : where the checkpoint's data lie; None for where they did when it was trained.

    Raises
    ------
    InputError : the classifier has learnt other data than the generator, or one of them cannot be read.
    """
    weights, facts = classifier.load(classifier.SHIPPED if judge is None else judge)
    digest = _digest(checkpoint, folder)
    if folder is None and digest != MNIST_DIGEST:
        folder = checkpoint.config.data
    if facts["data_digest"] != digest:
        raise InputError(_stranger(judge, folder))
    training, test = load_training(folder), load_test(folder)
    if folder is not None and training.digest() != digest:
        raise InputError(f"--data: {folder} is not the data set that the model was trained on")
    name = "embedded MNIST" if folder is None else str(folder)
    for dataset, part in ((training, "training"), (test, "test")):
        _check_labels(dataset, f"the {part} set of {name}")
    return Standard(weights, facts, training, test, name)


def _digest(checkpoint: Checkpoint, folder: str | Path | None) -> str:
    """That of a checkpoint's data; where it does not state one, of the data that lie there."""
    if checkpoint.data_digest is not None:
        return checkpoint.data_digest
    if checkpoint.config.data is None:
        return MNIST_DIGEST
    return load_training(folder or checkpoint.config.data).digest()


def _stranger(judge: Path | None, folder: str | Path | None) -> str:
    """What is wrong with a classifier that does not know the data."""
    if judge is not None:
        return f"{judge}: this classifier was trained on other data than the model"
    return (
        f"the model was trained on {folder}, and the judge that comes with the package knows MNIST alone: "
        f"train one by python -m cgan_raw.evaluate.train_classifier --data {folder} --out FILE, "
        "and give it as --classifier FILE"
    )


def _check_labels(dataset: Dataset, what: str) -> None:
    """InputError unless there are enough images to speak of how those of a label differ."""
    counts = np.bincount(dataset.labels, minlength=CLASSES)
    if counts.min() < 2:
        label = counts.argmin()
        raise InputError(f"{what} has {counts[label]} of label {label}: figures need two images of each")
