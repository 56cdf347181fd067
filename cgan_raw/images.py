"""Pictures: grids of digits, a film of them, and the plot of the losses."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .config import SIDE
from .console.progress import bar
from .errors import InputError
from .files.reading import read_bytes
from .files.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 6
_CAPTION = 18
_MANY_IMAGES = 1_000
_PNG_LEVEL = 1  # 9 takes fifteen times as long and saves a fifth of the file
_MOST_PNG_BYTES = 2**24
_FILM_GREYS = 16
_FILM_FRAMES = 80
_FILM_MILLISECONDS, _FILM_LAST_MILLISECONDS = 120, 2500
_WALK_MILLISECONDS = 80

#: Neither matplotlib nor the filters of warnings are for several threads.
_ONE_AT_A_TIME = threading.Lock()


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Generator outputs in [-1, 1], (n, 784), as pictures (n, 28, 28) uint8: round((v + 1) 127.5)."""
    pixels = np.rint((values.astype(np.float64) + 1) * 127.5)
    return np.clip(pixels, 0, 255).astype(np.uint8).reshape(-1, SIDE, SIDE)


def grid(images: np.ndarray, labels: Sequence | None, columns: int, scale: int = 3) -> Image.Image:
    """Pictures (n, 28, 28) uint8 row by row in a grid, each with its label above it, if they have labels."""
    rows = -(-len(images) // columns)
    side = SIDE * scale
    caption = 0 if labels is None else _CAPTION
    cell_width, cell_height = side + _GAP, side + _GAP + caption
    sheet = Image.new("L", (columns * cell_width + _GAP, rows * cell_height + _GAP), 255)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for i, image in enumerate(bar(images, "arranging") if len(images) > _MANY_IMAGES else images):
        left, top = _GAP + i % columns * cell_width, _GAP + i // columns * cell_height
        if labels is not None:
            draw.text((left + side / 2, top + caption / 2), str(labels[i]), fill=0, font=font, anchor="mm")
        large = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(large, (left, top + caption))
    return sheet


def png(image: Image.Image) -> bytes:
    """A picture as a PNG."""
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=_PNG_LEVEL)
    return content.getvalue()


def save_png(path: Path, image: Image.Image) -> None:
    """Raises OSError."""
    write_atomically(path, png(image))


def read_png(path: Path) -> Image.Image:
    """A picture in greys; InputError if a file is none."""
    try:
        with Image.open(io.BytesIO(read_bytes(path, _MOST_PNG_BYTES) or b""), formats=("PNG",)) as picture:
            return picture.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # of what Pillow calls damaged
        raise InputError(f"{path}: is no picture that can be read") from None


def save_arrays(path: Path, images: np.ndarray, labels: Sequence[int] | None) -> None:
    """An .npz of ``images`` (n, 28, 28) and ``labels`` (n,), if there are any, both uint8.  Raises OSError."""
    content = io.BytesIO()
    named = {"images": images} | ({} if labels is None else {"labels": np.asarray(labels, np.uint8)})
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in named.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                _write_array(file, array)
    write_atomically(path, content.getvalue())


def _write_array(file: IO[bytes], array: np.ndarray) -> None:
    """In NumPy's format, a part at a time."""
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    parts = range(0, len(array), _MANY_IMAGES)
    for start in bar(parts, "packing"):
        file.write(np.ascontiguousarray(array[start : start + _MANY_IMAGES]).data)


def save_film(path: Path, frames: Sequence[tuple[str, Path]]) -> None:
    """A GIF of (caption, PNG file), small: few greys, at most 80 frames, evenly chosen, the last among
    them.  A file that is no picture any more is left out.

    Raises OSError if it cannot be written.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _FILM_FRAMES)).round().astype(int))
    pictures = []
    for i in chosen:
        with contextlib.suppress(InputError):
            pictures.append(_film_frame(*frames[i]))
    if not pictures:
        return
    _save_gif(path, pictures, [_FILM_MILLISECONDS] * (len(pictures) - 1) + [_FILM_LAST_MILLISECONDS])


def save_walk(path: Path, frames: Sequence[Image.Image]) -> None:
    """A GIF that goes through pictures of one size and back again, for ever.  Raises OSError."""
    pictures = [_few_greys(frame) for frame in frames]
    pictures += pictures[-2:0:-1]
    _save_gif(path, pictures, [_WALK_MILLISECONDS] * len(pictures))


def _save_gif(path: Path, pictures: Sequence[Image.Image], milliseconds: Sequence[int]) -> None:
    content = io.BytesIO()
    pictures[0].save(
        content, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0, optimize=True
    )
    write_atomically(path, content.getvalue())


def _film_frame(caption: str, path: Path) -> Image.Image:
    picture = read_png(path)
    width, height = picture.width * 2 // 3, picture.height * 2 // 3
    small = picture.resize((width, height), Image.Resampling.BOX)
    frame = Image.new("L", (width, height + _CAPTION), 255)
    frame.paste(small, (0, _CAPTION))
    font = ImageFont.load_default(size=12)
    ImageDraw.Draw(frame).text((_GAP, _CAPTION / 2), caption, fill=0, font=font, anchor="lm")
    return _few_greys(frame)


def _few_greys(picture: Image.Image) -> Image.Image:
    step = 255 / (_FILM_GREYS - 1)
    greys = picture.point([round(round(i / step) * step) for i in range(256)])
    return greys.quantize(_FILM_GREYS, dither=Image.Dither.NONE)


def save_loss_plot(path: Path, metrics: Sequence[dict]) -> None:
    """The losses and the discriminator's accuracy over the iterations, from the lines of metrics.jsonl.

    Raises OSError if it cannot be written.
    """
    figure = new_figure(8, 5.5)
    losses, accuracy = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    draw_losses(losses, metrics)
    _draw_curve(accuracy, metrics, [100 * line["d_accuracy"] for line in metrics], None)
    accuracy.set(ylabel="D's accuracy (%)", xlabel="iteration", ylim=(0, 102))
    accuracy.grid(alpha=0.3)
    write_atomically(path, figure_png(figure))


def new_figure(width: float, height: float) -> Figure:
    """An empty matplotlib figure, in inches.  It needs no window, so none that the environment asks for."""
    asked_for = os.environ.pop("MPLBACKEND", None)  # one that matplotlib does not know fails its import
    try:
        from matplotlib.figure import Figure
    finally:
        if asked_for is not None:
            os.environ["MPLBACKEND"] = asked_for
    return Figure(figsize=(width, height), layout="constrained")


def figure_png(figure: Figure) -> bytes:
    """A matplotlib figure as a PNG."""
    content = io.BytesIO()
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a letter that the font does not have
        figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def draw_losses(axes: Axes, metrics: Sequence[dict]) -> None:
    """Both losses over the iterations, into a plot."""
    for name, label in (("d_loss", "discriminator"), ("g_loss", "generator")):
        _draw_curve(axes, metrics, [line[name] for line in metrics], label)
    axes.set(ylabel="binary cross-entropy", title="Losses (thin: one iteration, thick: running mean)")
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_curve(axes: Axes, metrics: Sequence[dict], values: Sequence[float], label: str | None) -> None:
    """Thin as it is, thick as its running mean; a single value as a point."""
    iterations = [line["iteration"] for line in metrics]
    (line,) = axes.plot(iterations, values, "." if len(values) == 1 else "-", linewidth=0.6, alpha=0.35)
    axes.plot(iterations, _smooth(values), color=line.get_color(), linewidth=1.6, label=label)


def _smooth(values: Sequence[float], width: int = 11) -> np.ndarray:
    """Running mean over a window that narrows at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    reach = np.minimum(np.minimum(centre, centre[::-1]), width // 2)
    return (sums[centre + reach + 1] - sums[centre - reach]) / (2 * reach + 1)
