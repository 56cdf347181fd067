"""What a checkpoint can be asked for from Python: pictures, and how good they are.

The commands of the same names draw and measure the same; ``python -m cgan_raw.sample`` has more to set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from . import checkpoint as checkpoints
from .checkpoint import Checkpoint
from .config import GAN, TrainConfig, check_seed, whole
from .devices.backend import Backend
from .devices.choice import make_backend
from .files.checkpoint_file import checkpoint_of
from .images import png
from .sample import checks, sheets
from .sample.sheets import Sheet
from .sampler import Sampler, load_generator

if TYPE_CHECKING:
    from .evaluate.measure import Evaluation

_ALL_DIGITS = "0123456789"


def load(
    path: str | os.PathLike, device: str = "auto", *, kernels: str = "cuda", tf32: bool = False
) -> Generator:
    """The generator of a checkpoint.

    Parameters
    ----------
    path : a ``checkpoint.safetensors``, or the run folder that one lies in.
    device, kernels, tf32 : where to compute, as the commands' flags say it; ``"auto"`` is a GPU if one can be
        used, else the CPU.

    Raises
    ------
    InputError : the checkpoint is missing or damaged, or the device cannot be used; one line that names it.
    """
    place = checkpoint_of(Path(path))
    found = checkpoints.load(place)
    return Generator(place, found, make_backend(device, tf32, kernels=kernels), tf32)


class Generator:
    """Draws digits, and says how good they are; made by :func:`load`.

    Threads may share one: each call has arrays of its own, and none changes the generator.

    Attributes
    ----------
    path : the checkpoint's file.
    iteration : training iterations behind it.
    config : the settings of its run; ``config.model`` is ``"cgan"``, ``"gan"`` or ``"dcgan"``.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint, backend: Backend, tf32: bool = False):
        self.path, self._checkpoint, self._backend, self._tf32 = path, checkpoint, backend, tf32
        self._parameters = load_generator(backend, checkpoint)

    @property
    def iteration(self) -> int:
        return self._checkpoint.iteration

    @property
    def config(self) -> TrainConfig:
        return self._checkpoint.config

    def __repr__(self) -> str:
        return f"<{self.config.model} generator of {self.path}, iteration {self.iteration:,}>"

    def sample(self, digits: str | int | Iterable[int] | None = None, count: int = 1, seed: int = 0) -> Samples:
        """Digits as ``python -m cgan_raw.sample`` draws them, each from noise of its own.

        Parameters
        ----------
        digits : which, in order: text, a number or several; None for 0 to 9.  A plain GAN cannot be asked.
        count : images of each digit; of a plain GAN, images in all.
        seed : of the noise; the same seed gives the same images.

        Raises
        ------
        InputError : no such digits, or a number out of its range.
        """
        wanted = self._digits(digits)
        images = _count(count) * max(len(wanted), 1)
        checks.check_images(images, f"--count {count}")
        _, columns = sheets.size(images, wanted)
        return self._draw(sheets.samples(self._parameters, _seed(seed), wanted, images, columns))

    def interpolate(
        self, digits: str | int | Iterable[int] | None = None, steps: int = 10, seed: int = 0
    ) -> Samples:
        """A walk from one noise to another, the same for each digit: ``--interpolate`` of the command.

        Parameters
        ----------
        digits : as of :meth:`sample`; each has a row.  Of a plain GAN there is one row.
        steps : images of a walk, at least 2.
        seed : of the noises.

        Raises
        ------
        InputError : as of :meth:`sample`.
        """
        wanted = self._digits(digits)
        rows = max(len(wanted), 1)
        steps = _steps(steps, "interpolate", rows)
        return self._draw(sheets.interpolation(self._parameters, _seed(seed), wanted, rows, steps))

    def morph(self, one: int, other: int, steps: int = 10, rows: int = 1, seed: int = 0) -> Samples:
        """Walks from one digit to another, a noise a row: ``--morph`` of the command.

        Parameters
        ----------
        one, other : two digits that differ.
        steps : images of a walk, at least 2.
        rows : walks.
        seed : of the noises.

        Raises
        ------
        InputError : as of :meth:`sample`; it is of a plain GAN.
        """
        if self.config.model == GAN:
            raise checks.no_digits("--morph", self.path)
        checks.check_morph(f"{one}:{other}")
        rows = _count(rows)
        steps = _steps(steps, "morph", rows)
        # It is given other labels: not the one that others draw with.
        parameters = load_generator(self._backend, self._checkpoint)
        sheet = sheets.morph(parameters, _seed(seed), [int(one), int(other)], rows, steps)
        images = Sampler(parameters, sheet.z, sheet.labels).images()
        return Samples(images, None, sheet)

    def evaluate(
        self,
        seed: int = 0,
        *,
        classifier: str | os.PathLike | None = None,
        data: str | os.PathLike | None = None,
    ) -> Quality:
        """How good its digits are, as ``python -m cgan_raw.evaluate`` says; no file is written.

        Parameters
        ----------
        seed : of the noise.
        classifier, data : who judges, and where the data lie that it and the generator have learnt, as the
            command's flags say it; None for the classifier of MNIST, and where the data were.

        Raises
        ------
        InputError : no such seed; the classifier has learnt other data, or one of them cannot be read.
        """
        from .evaluate import report, standard
        from .evaluate.measure import measure

        seed = _seed(seed)
        judge, folder = (None if path is None else Path(path) for path in (classifier, data))
        against = standard.load(self._checkpoint, judge, folder)
        evaluation = measure(self._backend, self._checkpoint, seed, against)
        return Quality(evaluation, report.facts(self._checkpoint, self._backend, seed, self._tf32))

    def _draw(self, sheet: Sheet) -> Samples:
        images = Sampler(self._parameters, sheet.z, sheet.labels).images()
        return Samples(images, None if sheet.labels is None else sheet.labels.astype(np.uint8), sheet)

    def _digits(self, digits: str | int | Iterable[int] | None) -> list[int]:
        """The digits to draw; none of a plain GAN."""
        if self.config.model == GAN:
            if digits is not None:
                raise checks.no_digits("--digits", self.path)
            return []
        if digits is None:
            digits = _ALL_DIGITS
        if not isinstance(digits, str):
            digits = list(digits) if isinstance(digits, Iterable) else [digits]
        checks.check_digits(digits)
        return [int(digit) for digit in digits]


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Images as arrays and as pictures; a notebook shows them as one.

    A sequence of PIL images; ``np.asarray`` gives ``images``.

    Attributes
    ----------
    images : (n, 28, 28) uint8, from 0, black, to 255.
    labels : (n,) uint8, the digit that each was asked to show; None if each is of no one digit, as on a walk
        between two, and of a plain GAN.
    """

    images: np.ndarray
    labels: np.ndarray | None
    _sheet: Sheet

    def grid(self) -> Image.Image:
        """All images in one picture with their labels, as the command's PNG file has them."""
        return self._sheet.picture(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> Image.Image:
        return Image.fromarray(self.images[number])

    def __iter__(self) -> Iterator[Image.Image]:
        return map(Image.fromarray, self.images)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.images, dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<{len(self)} samples, {self.images.shape} {self.images.dtype}>"

    def _repr_png_(self) -> bytes:
        return png(self.grid())


@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """Figures of a generator's samples beside those of real images; as text, the table that the command prints.

    Attributes
    ----------
    evaluation : the figures as arrays: ``evaluation.generated.confusion``, (10, 10), say.
    facts : what they are of: version, model, device, tf32, iteration and seed.
    """

    evaluation: Evaluation
    facts: dict[str, Any]

    @property
    def generated(self) -> dict[str, Any]:
        """Figures of the samples by the names of evaluation.json, such as ``"conditional_accuracy"``."""
        return self.evaluation.generated.asdict()

    @property
    def real(self) -> dict[str, Any]:
        """The same of real images."""
        return self.evaluation.real.asdict()

    def asdict(self) -> dict[str, Any]:
        """What the command writes into evaluation.json."""
        from .evaluate import report

        return report.content(self.evaluation, self.facts)

    def __repr__(self) -> str:
        from .evaluate import report

        return report.text(self.evaluation)


def _count(given: int) -> int:
    """As an int; InputError if it is no count."""
    count = whole("count", given)
    checks.check_count(count)
    return count


def _steps(given: int, walk: str, rows: int) -> int:
    """The same, of the images of a walk; there are ``rows`` walks."""
    count = _count(given)
    checks.check_steps(count, walk)
    checks.check_images(rows * count, f"--count {count}")
    return count


def _seed(given: int) -> int:
    """As an int; InputError if it is no seed."""
    seed = whole("seed", given)
    check_seed(seed)
    return seed
