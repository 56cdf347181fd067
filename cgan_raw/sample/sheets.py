"""What a picture of samples shows: each image's noise and label, row by row of its grid.

``digits`` are those asked for, in order; none of a plain GAN.  Noise is that of ``seed``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..config import LATENT
from ..images import grid
from ..models import Parameters
from ..sampler import noise

_WIDEST = 100  # images in a row, where nobody asked for a grid
_LARGE = 1_000  # images; in pictures of more, they have their own size


@dataclass(frozen=True)
class Sheet:
    """``z`` (n, 100); ``labels`` (n,), rows of the embedding, and ``captions``, n of them, or None of a plain
    GAN."""

    z: np.ndarray
    labels: np.ndarray | None
    captions: Sequence | None
    columns: int

    def picture(self, images: np.ndarray) -> Image.Image:
        """All images (n, 28, 28) uint8."""
        return grid(images, self.captions, self.columns, scale=3 if len(images) <= _LARGE else 1)

    def frames(self, images: np.ndarray) -> list[Image.Image]:
        """A picture of each column: where the walks of all rows are at one step."""
        steps = (slice(step, None, self.columns) for step in range(self.columns))
        across = _across(len(images) // self.columns)
        return [grid(images[k], self.captions and self.captions[k], across, scale=2) for k in steps]


def size(count: int, digits: Sequence[int]) -> tuple[int, int]:
    """Rows and columns for ``count`` images: a row for each digit, folded after a hundred, or a square."""
    columns = min(count // len(digits), _WIDEST) if digits else math.isqrt(count - 1) + 1
    return -(-count // columns), columns


def samples(generator: Parameters, seed: int, digits: Sequence[int], count: int, columns: int) -> Sheet:
    """``count`` images, as many of each digit, each from noise of its own."""
    labels = np.repeat(digits, count // len(digits)) if digits else None
    return _sheet(noise(generator.backend, count, seed), labels, columns)


def interpolation(generator: Parameters, seed: int, digits: Sequence[int], rows: int, columns: int) -> Sheet:
    """In each row a walk between two noises: as many of each digit, and the same for all of them."""
    walks = rows // max(len(digits), 1)
    z = between_noises(noise(generator.backend, 2 * walks, seed), columns)
    if not digits:
        return _sheet(z.reshape(-1, LATENT), None, columns)
    z = np.tile(z, (len(digits), 1, 1)).reshape(-1, LATENT)
    return _sheet(z, np.repeat(digits, walks * columns), columns)


def morph(generator: Parameters, seed: int, digits: Sequence[int], rows: int, columns: int) -> Sheet:
    """In each row one noise, and a walk between the embeddings of two digits, which the generator is given."""
    first, last = digits
    embed_between(generator, first, last, columns)
    z = np.repeat(noise(generator.backend, rows, seed), columns, axis=0)
    captions = [str(first), *[""] * (columns - 2), str(last)]
    return Sheet(z, np.tile(np.arange(columns), rows), captions * rows, columns)


def between_noises(ends: np.ndarray, steps: int) -> np.ndarray:
    """(w, steps, 100) on w walks, from ``ends[2 i]`` to ``ends[2 i + 1]`` of (2 w, 100).

    z(t) = cos(t) z_0 + sin(t) z_1 for t in [0, pi / 2].  As cos^2 + sin^2 = 1, every point on the way is as
    normal as the ends are; halfway on a straight line, noise has 0.7 of the length that the generator knows.
    """
    t = np.linspace(0, np.pi / 2, steps)[:, None]
    return np.cos(t) * ends[0::2, None] + np.sin(t) * ends[1::2, None]


def embed_between(generator: Parameters, one: int, other: int, steps: int) -> None:
    """Give a generator, in place of its ten labels, ``steps`` ones on the way from one digit to another.

    Label k has the k-th point of the straight line between the digits' embeddings.
    """
    backend = generator.backend
    embedding = backend.download(generator.values["embedding.weight"])
    share = np.linspace(0, 1, steps)[:, None]
    table = (1 - share) * embedding[one] + share * embedding[other]
    generator.values["embedding.weight"] = backend.zeros(table.shape)
    backend.write(generator.values["embedding.weight"], table)


def _sheet(z: np.ndarray, labels: np.ndarray | None, columns: int) -> Sheet:
    return Sheet(z, labels, None if labels is None else labels.tolist(), columns)


def _across(count: int) -> int:
    """Columns for some images: about a square, and without a gap in the last row where one can do so."""
    least = math.isqrt(count - 1) + 1
    return next((columns for columns in range(least, 2 * least + 1) if count % columns == 0), least)
