"""Training from Python: ``cgan_raw.fit``."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import runs
from ..config import TrainConfig, whole
from ..console.stopping import interrupt_deferred
from ..devices.choice import make_backend
from ..errors import InputError
from ..generator import Generator, load
from .trainer import train


def fit(
    out: str | os.PathLike | None = None,
    *,
    resume: str | os.PathLike | None = None,
    device: str = "auto",
    kernels: str = "cuda",
    tf32: bool = False,
    layered: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> TrainedRun:
    """Train as ``python -m cgan_raw.train`` does, and leave the same run folder.

    Any thread may call it, and several at once: they compute in turns.  In the main thread Ctrl-C, which a
    notebook's stop button sends, ends training once the run is saved, and then arrives as KeyboardInterrupt; a
    second one arrives at once.

    Parameters
    ----------
    out : the run folder; None is runs/DATE-TIME.
    resume : go on with the run in this folder instead; it ends as if it had never stopped.
    device, kernels, tf32, layered : where and how to compute, as the command's flags say it.
    quiet : show and print nothing.
    **settings : model, iterations, batch_size, seed, learning_rate, beta1, data, log_every, sample_every and
        checkpoint_every, by default as in :class:`cgan_raw.config.TrainConfig`.  With ``resume`` they are the
        run's, of which iterations, data and the intervals may change.

    Raises
    ------
    InputError : a setting out of its range, or a folder, data or device that cannot be used, in one line.
    TrainingError : training diverged, or a file cannot be written; the last good checkpoint stands.
    TypeError : a setting that there is not.
    """
    if out is not None and resume is not None:
        raise InputError("--resume: not allowed with --out")
    run = runs.begin(_path("out", out), _path("resume", resume), _checked(settings))
    try:
        backend = make_backend(device, tf32, kernels=kernels)
        done = train(run, backend, quiet, interrupt_deferred(), 'cgan_raw.fit(resume="{}")', layered)
    finally:
        run.release()  # not only when the object goes: a notebook keeps errors, and what they come from
    return TrainedRun(run.folder, run.config, done, run.metrics, (device, kernels, tf32))


@dataclass(frozen=True, eq=False, repr=False)
class TrainedRun:
    """A run after training; a notebook shows its last grid of samples.

    Attributes
    ----------
    folder : where it lies, for :func:`fit`'s ``resume`` and :func:`cgan_raw.load`.
    config : its settings.
    iteration : training iterations behind it.
    metrics : the lines of metrics.jsonl, each with iteration, d_loss, d_accuracy, g_loss, images_per_second
        and seconds.
    """

    folder: Path
    config: TrainConfig
    iteration: int
    metrics: list[dict[str, float]]
    _where: tuple[str, str, bool]

    @cached_property
    def generator(self) -> Generator:
        """As :func:`cgan_raw.load` gives it, on the device that trained it."""
        device, kernels, tf32 = self._where
        return load(self.folder, device, kernels=kernels, tf32=tf32)

    def __repr__(self) -> str:
        return f"<{self.config.model} in {self.folder}, iteration {self.iteration:,}>"

    def _repr_png_(self) -> bytes | None:
        grids = runs.sample_paths(self.folder, self.iteration)
        return grids[-1][1].read_bytes() if grids else None


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """With whole numbers, numbers and paths of whatever kind as those that a TrainConfig takes."""
    kinds = {field.name: field.type for field in fields(TrainConfig)}
    unknown = settings.keys() - kinds.keys()
    if unknown:
        raise TypeError(f"fit() has no setting {min(unknown)!r}; there are {', '.join(kinds)}")
    return {name: _value(name, kinds[name], value) for name, value in settings.items()}


def _value(name: str, kind: str, value: Any) -> Any:
    if kind == "int":
        return whole(name, value)
    if kind == "float" and hasattr(value, "__float__"):
        return float(value)
    if name == "data" and (folder := _path(name, value)):
        return str(folder.resolve())  # a run can be resumed from anywhere
    return value


def _path(name: str, given: str | os.PathLike | None) -> Path | None:
    """InputError of an empty one, which would be the folder that one is in."""
    if given is None:
        return None
    if not os.fspath(given):
        raise InputError(f"--{name} must not be empty")
    return Path(given)
