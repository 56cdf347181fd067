"""An evaluation as text, as JSON, and the confusion of digits as a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..config import CLASSES
from ..files import write_atomically
from .measure import PER_DIGIT, Evaluation, Figures
from .metrics import accuracy, accuracy_per_digit

_FILE_NAME, _PICTURE_NAME = "evaluation.json", "confusion.png"

_PAPER = "132 ± 1.8 in the CGAN paper"  # Mirza & Osindero 2014, arXiv:1411.1784, table 1

_NOTES = f"""\
generated   {PER_DIGIT:,} samples a digit
real        the test images; for the Parzen window, as many training images as there are samples
Fréchet     distance from the training images in the classifier's features; their units are its own
diversity   mean distance between two images of a digit in those features, in that of training images
Parzen      for comparison with papers alone: in so many dimensions it says little about the images or the
            model (Theis et al. 2016, arXiv:1511.01844)"""


def text(evaluation: Evaluation) -> str:
    """All figures, generated beside real; accuracy and diversity for each digit too."""

    def row(name: str, show: Callable[[Figures], str]) -> str:
        return f"{name:<34}{show(evaluation.generated):>14}{show(evaluation.real):>14}"

    def digits(name: str, values: Callable[[Figures], np.ndarray], decimals: int) -> list[str]:
        return [
            f"{f'{name}, {kind}':<34}" + "".join(f"{value:>7.{decimals}f}" for value in values(figures))
            for kind, figures in (("generated", evaluation.generated), ("real", evaluation.real))
        ]

    return "\n".join(
        [
            f"{'':<34}{'generated':>14}{'real':>14}",
            row("conditional accuracy (%)", lambda f: f"{100 * accuracy(f.confusion):.2f}"),
            row("conditional cross-entropy (nats)", lambda f: f"{f.cross_entropy:.4f}"),
            row("Fréchet distance", lambda f: f"{f.frechet:.2f}"),
            row("diversity", lambda f: f"{f.diversity.mean():.3f}"),
            row("Parzen log-likelihood (nats)", _likelihood) + f"   {_PAPER}",
            "",
            f"{'digit':<34}" + "".join(f"{digit:>7}" for digit in range(CLASSES)),
            *digits("accuracy (%)", lambda f: 100 * accuracy_per_digit(f.confusion), 1),
            *digits("diversity", lambda f: f.diversity, 2),
            "",
            _NOTES,
        ]
    )


def save(folder: Path, evaluation: Evaluation, facts: dict) -> list[Path]:
    """Write evaluation.json, which begins with ``facts``, and confusion.png; the files.  Raises OSError."""
    content = facts | {
        "samples_per_digit": PER_DIGIT,
        "classifier": evaluation.classifier,
        "generated": evaluation.generated.asdict(),
        "real": evaluation.real.asdict(),
    }
    paths = [folder / _FILE_NAME, folder / _PICTURE_NAME]
    write_atomically(paths[0], (json.dumps(content, indent=2) + "\n").encode())
    write_atomically(paths[1], _confusion_picture(evaluation))
    return paths


def _likelihood(f: Figures) -> str:
    return f"{f.parzen.log_likelihood:.1f} ± {f.parzen.standard_error:.1f}"


def _confusion_picture(evaluation: Evaluation) -> bytes:
    """A PNG of two tables: of a hundred images of the digit asked for (row), how many are taken for which."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.2), layout="constrained")
    sides = (("generated", evaluation.generated), ("real", evaluation.real))
    for axes, (kind, figures) in zip(figure.subplots(1, 2), sides, strict=True):
        percent = 100 * figures.confusion / figures.confusion.sum(axis=1, keepdims=True)
        axes.imshow(percent, cmap="Blues", norm="symlog", vmin=0, vmax=100)
        for (row, column), value in np.ndenumerate(percent):
            if value > 0:
                colour = "white" if value > 30 else "black"
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
        axes.set(title=f"{kind}: {100 * accuracy(figures.confusion):.2f} % of all", xlabel="taken for (%)")
        axes.set(xticks=range(CLASSES), yticks=range(CLASSES), ylabel="asked for")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
