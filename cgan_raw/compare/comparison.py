"""Runs side by side: a table of what differs and what came of it, and a picture of a few."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..config import CGAN
from ..console.cli import called
from ..console.progress import duration
from ..console.text import printable
from ..errors import InputError
from ..evaluate.report import FILE_NAME as EVALUATION
from ..files.checkpoint_file import FILE_NAME as CHECKPOINT_FILE
from ..files.reading import read_object
from ..files.writing import write_atomically
from ..images import draw_losses, figure_png, new_figure, read_png
from ..runs import DATA_DIGEST, METRICS_FILE, read_metrics, read_settings, sample_paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOT_KNOWN = "-"
_WIDEST = 30  # letters
_WIDE = 5  # inches of a picture, for each side

#: Figures of evaluation.json: their names here, where they lie under "generated", and how they are shown.
_FIGURES = (
    ("conditional accuracy (%)", ("conditional_accuracy",), lambda value: f"{100 * value:.2f}"),
    ("entropy of the digits (nats)", ("digit_entropy",), "{:.3f}".format),
    ("Fréchet distance", ("frechet_distance",), "{:.2f}".format),
    ("diversity", ("diversity",), "{:.3f}".format),
    ("Parzen log-likelihood (nats)", ("parzen", "log_likelihood"), "{:.1f}".format),
)


@dataclass(frozen=True)
class Side:
    """What is known of one run: its settings, the lines of metrics.jsonl, evaluation.json or None, and the last
    grid of samples with its iteration, or None.

    A run that was resumed from an earlier checkpoint may have later grids too, which are not its own.
    """

    folder: Path
    settings: dict
    metrics: list[dict]
    evaluation: dict | None
    samples: tuple[int, Image.Image] | None

    def row(self) -> dict[str, str]:
        """What came of it, by name, as shown."""
        last = self.metrics[-1]
        speed = statistics.median(line["images_per_second"] for line in self.metrics)
        return {
            "iterations": f"{last['iteration']:,} of {self.settings['iterations']:,}",
            "images/s (median)": f"{speed:,.0f}",
            "time": duration(last["seconds"]),
            **{f"last {name}": f"{last[name]:.4f}" for name in ("d_loss", "d_accuracy", "g_loss")},
        }

    def figures(self) -> dict[str, str]:
        """How good its images are, by name, as shown; nothing if it is not evaluated.

        A conditional GAN and a plain one have some that the other has not.
        """
        if self.evaluation is None:
            return {}
        shown = {"evaluated after iteration": f"{self.evaluation['iteration']:,}"}
        for name, keys, show in _FIGURES:
            value = self.evaluation["generated"]
            for key in keys:
                value = value.get(key, {})
            shown[name] = NOT_KNOWN if value == {} else show(value)
        return shown

    @property
    def judge(self) -> str | None:
        """The digest of the classifier that has judged; None if it is not known."""
        return None if self.evaluation is None else self.evaluation.get("classifier", {}).get("sha256")


def read(folder: Path) -> Side:
    """All that is compared of the run in a folder.

    Raises
    ------
    InputError : no run lies there, or one of its files cannot be used; one line that names it.
    """
    settings = read_settings(folder)
    metrics = read_metrics(folder / METRICS_FILE)
    if not metrics:
        raise InputError(f"{folder / METRICS_FILE}: has no line of metrics to compare")
    side = Side(
        folder,
        {"model": CGAN} | settings,  # runs from before there was another
        metrics,
        read_object(folder / EVALUATION),
        _last_grid(folder, metrics[-1]["iteration"]),
    )
    try:
        _ = side.row(), side.figures(), side.judge
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise InputError(
            f"{folder}: config.json, metrics.jsonl or {EVALUATION} are not those of a run"
        ) from None
    return side


def rows(*sides: Side) -> list[tuple[str, ...]]:
    """(name, one value for each side) of the settings that differ, then of what came of them."""
    settings = _row_by_row([side.settings for side in sides])
    differing = [
        (name, *map(_setting, values))
        for name, *values in settings
        if name != "iterations" and any(value != values[0] for value in values)
    ]
    figures = why_figures_differ(*sides) is None
    came = _row_by_row([side.row() | (side.figures() if figures else {}) for side in sides])
    shown = [(name, *map(_setting, values)) for name, *values in came]
    return differing + [row for row in shown if set(row[1:]) != {NOT_KNOWN}]


def _row_by_row(columns: list[dict]) -> list[tuple]:
    """(name, its value in each column, None where it has none), of every name."""
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, *(column.get(name) for column in columns)) for name in names]


def why_figures_differ(*sides: Side) -> str | None:
    """Why figures of these say nothing beside each other; None if they do, as far as is known."""
    if _known_ones_differ(side.settings.get(DATA_DIGEST) for side in sides):
        return "the runs are of different data"
    if _known_ones_differ(side.judge for side in sides):
        return "two classifiers have judged the runs; evaluate them with one"
    return None


def _known_ones_differ(values: Iterable[object]) -> bool:
    known = [value for value in values if value is not None]
    return any(value != known[0] for value in known)


def table(*sides: Side) -> list[str]:
    """Lines: the rows in Markdown, and what is to be known of them; of more than two sides, a line for each."""
    cells = [("", *titles(*sides)), *rows(*sides)]
    head, *lines = cells if len(sides) == 2 else zip(*cells, strict=True)
    ruled = (head, ("---", *("--:",) * (len(head) - 1)), *lines)
    text = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in ruled]
    notes = _notes(*sides)
    return text + [""] * bool(notes) + notes


def _notes(*sides: Side) -> list[str]:
    """Lines: what is to be known of the figures."""
    if reason := why_figures_differ(*sides):
        return [f"Figures are left out: {reason}."]
    notes = [
        f"{side.folder} is not evaluated yet: {called('evaluate')} {side.folder / CHECKPOINT_FILE}"
        for side in sides
        if side.evaluation is None
    ]
    if not notes and len({side.settings["model"] for side in sides}) > 1:
        return ["Fréchet distance and diversity: of a cgan by the digit asked for, of a gan by the digit seen."]
    return notes


def titles(*sides: Side) -> tuple[str, ...]:
    """The folders' names; their paths where two have one name."""
    names = tuple(side.folder.resolve().name for side in sides)
    return names if len(set(names)) == len(names) else tuple(str(side.folder) for side in sides)


def save_picture(path: Path, *sides: Side) -> None:
    """A PNG of the last grids of samples, the losses and the table.  Raises OSError."""
    shown = [("", *titles(*sides)), *rows(*sides)]
    height = 0.26 * len(shown)
    figure = new_figure(_WIDE * len(sides), _WIDE + height)
    grids, losses, bottom = figure.add_gridspec(3, height_ratios=(2.4, _WIDE - 2.4, height))
    columns = 1, len(sides)
    for part, side, title in zip(grids.subgridspec(*columns), sides, titles(*sides), strict=True):
        _draw_samples(figure.add_subplot(part), side, title)
    for axes, side in zip(losses.subgridspec(*columns).subplots(sharex=True, sharey=True), sides, strict=True):
        draw_losses(axes, side.metrics)
        axes.set(xlabel="iteration")
        axes.label_outer()
    _draw_table(figure.add_subplot(bottom), shown)
    write_atomically(path, figure_png(figure))


def _draw_samples(axes: Axes, side: Side, title: str) -> None:
    axes.axis("off")
    about = f"{_shorten(title)}: {_shorten(str(side.settings['model']))}"
    if side.samples is None:
        axes.text(0.5, 0.5, "no samples yet", ha="center", va="center")
    else:
        iteration, picture = side.samples
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        about += f", iteration {iteration:,}"
    axes.set_title(about, parse_math=False)


def _draw_table(axes: Axes, cells: list[tuple[str, ...]]) -> None:
    """The first line is the head."""
    axes.axis("off")
    shortened = [[_shorten(cell) for cell in line] for line in cells]
    drawn = axes.table(shortened, bbox=(0.1, 0, 0.8, 1), edges="horizontal")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(10)
    for (row, column), cell in drawn.get_celld().items():
        cell.get_text().set_horizontalalignment("right" if column else "left")
        cell.set_text_props(weight="bold" if row == 0 else "normal", parse_math=False)
        cell.set_linewidth(0.5)


def _shorten(text: str) -> str:
    """What has room in a side of the picture, and can be drawn: of a long path the end."""
    text = printable(text)
    return text if len(text) <= _WIDEST else "…" + text[1 - _WIDEST :]


def _setting(value: object) -> str:
    return NOT_KNOWN if value is None else str(value)


def _last_grid(folder: Path, iteration: int) -> tuple[int, Image.Image] | None:
    grids = sample_paths(folder, iteration)
    if not grids:
        return None
    number, path = grids[-1]
    return number, read_png(path)
