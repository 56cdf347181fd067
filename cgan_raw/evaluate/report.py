"""An evaluation as text, as JSON, and as a picture: how digits are confused, or how often each comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..checkpoint import Checkpoint
from ..config import CGAN, CLASSES, GAN
from ..data import MNIST_DIGEST
from ..devices.backend import Backend
from ..files.writing import write_atomically
from ..images import figure_png, new_figure
from .figures import Coverage, Figures
from .measure import Evaluation
from .metrics import accuracy, accuracy_per_digit

FILE_NAME = "evaluation.json"

_PAPER = "132 ± 1.8 in the CGAN paper"  # Mirza & Osindero 2014, arXiv:1411.1784, table 1

_NOTES = """\
real        the test images; for the Parzen window, training images, at most as many as there are samples
Fréchet     distance from the training images in the classifier's features; their units are its own
diversity   mean distance between two images of a digit in those features, in that of training images
Parzen      for comparison with papers alone: in so many dimensions it says little about the images or the
            model (Theis et al. 2016, arXiv:1511.01844)"""

_NOTE_IF_ASKED = "generated   {:,} samples per digit"
_NOTE_IF_NOT = """\
generated   {:,} samples of a GAN that is asked for no digit: conditional accuracy and
            cross-entropy are left out; a digit is what the classifier takes an image for
entropy     of the shares of the digits: 2.303 nats if all come as often, 0 if one does"""


def text(evaluation: Evaluation) -> str:
    """All figures, generated beside real, and some of them for each digit."""

    def row(name: str, show: Callable[[Any], str]) -> str:
        return f"{name:<34}{show(evaluation.generated):>14}{show(evaluation.real):>14}"

    def digits(name: str, values: Callable[[Any], np.ndarray], decimals: int) -> list[str]:
        return [
            f"{f'{name}, {kind}':<34}" + "".join(f"{value:>7.{decimals}f}" for value in values(figures))
            for kind, figures in (("generated", evaluation.generated), ("real", evaluation.real))
        ]

    if isinstance(evaluation.generated, Figures):
        rows = [
            row("conditional accuracy (%)", lambda f: f"{100 * accuracy(f.confusion):.2f}"),
            row("conditional cross-entropy (nats)", lambda f: f"{f.cross_entropy:.4f}"),
        ]
        of_digits = digits("accuracy (%)", lambda f: 100 * accuracy_per_digit(f.confusion), 1)
        paper = f"   {_PAPER}" if evaluation.classifier.get("data_digest") == MNIST_DIGEST else ""
        note = _NOTE_IF_ASKED.format(_per_digit(evaluation.generated))
    else:
        rows = [row("entropy of the digits (nats)", lambda f: f"{f.entropy:.4f}")]
        of_digits = digits("images (%)", _percent, 1)
        paper = ""
        note = _NOTE_IF_NOT.format(evaluation.generated.histogram.sum())
    return "\n".join(
        [
            f"{'':<34}{'generated':>14}{'real':>14}",
            *rows,
            row("Fréchet distance", lambda f: f"{f.frechet:.2f}"),
            row("diversity", lambda f: f"{np.nanmean(f.diversity):.3f}"),
            row("Parzen log-likelihood (nats)", _likelihood) + paper,
            "",
            f"{'digit':<34}" + "".join(f"{digit:>7}" for digit in range(CLASSES)),
            *of_digits,
            *digits("diversity", lambda f: f.diversity, 2),
            "",
            note,
            _NOTES,
        ]
    )


def places(folder: Path, model: str) -> tuple[Path, Path]:
    """The files that an evaluation leaves in a folder: the figures, and a picture."""
    return folder / FILE_NAME, folder / ("confusion.png" if model != GAN else "digits.png")


def facts(checkpoint: Checkpoint, backend: Backend, seed: int, tf32: bool) -> dict:
    """What an evaluation on the noise of ``seed`` is of, ready for JSON."""
    return {
        "version": __version__,
        "model": checkpoint.config.model,
        "device": backend.name,
        "tf32": tf32,
        "iteration": checkpoint.iteration,
        "seed": seed,
    }


def content(evaluation: Evaluation, facts: dict) -> dict:
    """All that is known of an evaluation, ready for JSON: the facts first, then the figures."""
    if isinstance(evaluation.generated, Figures):
        count = {"samples_per_digit": _per_digit(evaluation.generated)}
    else:
        count = {"samples": int(evaluation.generated.histogram.sum())}
    return {
        **facts,
        **count,
        "classifier": evaluation.classifier,
        "generated": evaluation.generated.asdict(),
        "real": evaluation.real.asdict(),
    }


def save(folder: Path, evaluation: Evaluation, facts: dict) -> tuple[Path, Path]:
    """Write evaluation.json, which begins with ``facts``, and a picture; the files.  Raises OSError."""
    asked = isinstance(evaluation.generated, Figures)
    paths = places(folder, CGAN if asked else GAN)
    write_atomically(paths[0], (json.dumps(content(evaluation, facts), indent=2) + "\n").encode())
    write_atomically(paths[1], _confusion_picture(evaluation) if asked else _digits_picture(evaluation))
    return paths


def _per_digit(f: Figures) -> int:
    """How many images there are of each digit, of all as many."""
    return int(f.confusion.sum()) // CLASSES


def _percent(f: Coverage) -> np.ndarray:
    """(10,) the share of each digit."""
    return 100 * f.histogram / f.histogram.sum()


def _likelihood(f: Figures | Coverage) -> str:
    return f"{f.parzen.log_likelihood:.1f} ± {f.parzen.standard_error:.1f}"


def _confusion_picture(evaluation: Evaluation) -> bytes:
    """A PNG of two tables: of a hundred images of the digit asked for (row), how many are taken for which."""
    figure = new_figure(12, 6.2)
    sides = (("generated", evaluation.generated), ("real", evaluation.real))
    for axes, (kind, figures) in zip(figure.subplots(1, 2), sides, strict=True):
        assert isinstance(figures, Figures)
        percent = 100 * figures.confusion / figures.confusion.sum(axis=1, keepdims=True)
        axes.imshow(percent, cmap="Blues", norm="symlog", vmin=0, vmax=100)
        for (row, column), value in np.ndenumerate(percent):
            if value > 0:
                colour = "white" if value > 30 else "black"
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
        axes.set(title=f"{kind}: {100 * accuracy(figures.confusion):.2f} % of all", xlabel="taken for (%)")
        axes.set(xticks=range(CLASSES), yticks=range(CLASSES), ylabel="asked for")
    return figure_png(figure)


def _digits_picture(evaluation: Evaluation) -> bytes:
    """A PNG of how often each digit comes, generated beside real."""
    figure = new_figure(8, 4.2)
    axes = figure.subplots()
    sides = ((-0.2, "generated", evaluation.generated), (0.2, "real", evaluation.real))
    for shift, kind, figures in sides:
        axes.bar(np.arange(CLASSES) + shift, _percent(figures), 0.4, label=kind)
    axes.set(title="What the classifier takes images for", xlabel="digit", ylabel="images (%)")
    axes.set(xticks=range(CLASSES))
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure_png(figure)
