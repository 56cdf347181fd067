"""Run folders: what lies where, starting one, and going on with one."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .config import TrainConfig
from .errors import InputError
from .files import data_files
from .files.checkpoint_file import FILE_NAME as CHECKPOINT_FILE
from .files.lock import Lock
from .files.reading import check_there, read_bytes, read_object
from .files.writing import append, check_file, check_folder, remove_partial_files, write_atomically

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
SAMPLES_FOLDER = "samples"
FILM_FILE = "samples.gif"
PLOT_FILE = "losses.png"
_FILES = (CHECKPOINT_FILE, CONFIG_FILE, METRICS_FILE, FILM_FILE, PLOT_FILE)

#: Settings that a resumed run may change: none of them has a say in what the next iteration computes.
_MAY_CHANGE = {"iterations", "data", "log_every", "sample_every", "checkpoint_every"}

#: What config.json calls the digest of the data set.
DATA_DIGEST = "data_digest"

#: What a line of metrics has, all of them finite numbers.
METRICS = ("iteration", "d_loss", "d_accuracy", "g_loss", "images_per_second", "seconds")

_MOST_METRICS = 2**30  # bytes: some five million lines


@dataclass
class Run:
    """A folder and the settings of the run in it.

    ``folder`` is None if nobody has named it, until :meth:`prepare` does.  ``start`` is the checkpoint to go on
    from, None for a new run; ``metrics`` are the lines of metrics.jsonl up to there, and further ones as they
    are added.  ``data_digest`` is that of the data set the run was started on, None if it is not known.
    """

    folder: Path | None
    config: TrainConfig
    start: Checkpoint | None = None
    metrics: list[dict] = field(default_factory=list)
    lock: Lock | None = None
    data_digest: str | None = None

    def __getstate__(self) -> dict:
        """For a process that gets a copy: the lock stays here."""
        return vars(self) | {"lock": None}

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / CHECKPOINT_FILE

    @property
    def metrics_path(self) -> Path:
        return self.folder / METRICS_FILE

    def sample_path(self, iteration: int) -> Path:
        return self.folder / SAMPLES_FOLDER / f"{iteration:06d}.png"

    def prepare(self, device: str, data_digest: str) -> None:
        """Make the folder and bring metrics.jsonl to the state at the start; before this, nothing is touched.

        Raises
        ------
        InputError : the folder cannot be made or written, another run lies there by now, or this run was
            started on other data.
        """
        if self.data_digest not in (None, data_digest):
            data = self.config.data or "embedded MNIST"
            raise InputError(f"--data: {data} is not the data set that the run in {self.folder} was started on")
        self.data_digest = data_digest
        if self.folder is None:
            self.folder = _new_folder()
        with _usable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.lock is None:
                self.lock = Lock(self.folder)
                self.check_is_new()
            for name in _FILES:
                check_file(self.folder / name)
            (self.folder / SAMPLES_FOLDER).mkdir(exist_ok=True)
            check_folder(self.folder / SAMPLES_FOLDER, self.folder / SAMPLES_FOLDER)
            remove_partial_files(self.folder)
            remove_partial_files(self.folder / SAMPLES_FOLDER)
            settings = {
                "version": __version__,
                "device": device,
                **self.config.asdict(),
                DATA_DIGEST: data_digest,
            }
            write_atomically(self.folder / CONFIG_FILE, (json.dumps(settings, indent=2) + "\n").encode())
            write_atomically(self.metrics_path, "".join(map(_line, self.metrics)).encode())

    def check_is_new(self) -> None:
        """InputError if a run lies in the folder already."""
        if self.checkpoint_path.exists():
            raise InputError(
                f"{self.folder}: holds a run already; go on with --resume {self.folder}, or give another --out"
            )
        if (self.folder / CONFIG_FILE).exists() or self.metrics_path.exists():
            raise InputError(
                f"{self.folder}: holds a run that has no checkpoint yet, or ended before it; give another --out"
            )

    def release(self) -> None:
        """Let others train in the folder."""
        if self.lock is not None:
            self.lock.release()

    def add_metrics(self, line: dict) -> None:
        """Append one line to metrics.jsonl.  Raises OSError."""
        self.metrics.append(line)
        append(self.metrics_path, _line(line).encode())


def begin(out: Path | None, resume: Path | None, settings: dict) -> Run:
    """A new run in ``out``, or that in ``resume``, with what is given of its settings.

    Raises
    ------
    InputError : a setting cannot be, or its data are not there; else as of :func:`create` and :func:`reopen`.
    """
    config = TrainConfig(**settings)
    if config.data is not None:
        data_files.find(Path(config.data), data_files.TRAINING)
    return create(out, config) if resume is None else reopen(resume, settings)


def create(folder: Path | None, config: TrainConfig) -> Run:
    """A new run in ``folder``, or in runs/DATE-TIME.

    Raises
    ------
    InputError : a run lies there already, or the folder cannot be looked into.
    """
    run = Run(folder, config)
    if folder is not None:
        with _usable(folder):
            run.check_is_new()
    return run


def reopen(folder: Path, given: dict) -> Run:
    """The run in ``folder`` at its last checkpoint, with the settings in ``given`` changed.

    Those that may change are otherwise as config.json has them: the checkpoint may be from before they were
    changed the last time.

    Raises
    ------
    InputError : no usable checkpoint lies there, a setting is given that the run's results depend on, or fewer
        iterations than lie behind it; another process trains there.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run folder")
    with _usable(folder):
        lock = Lock(folder)
    try:
        return _continued(folder, given, lock)
    except BaseException:
        lock.release()  # whoever keeps the error, as a notebook does, would keep the lock
        raise


def _continued(folder: Path, given: dict, lock: Lock) -> Run:
    check_there(folder / CHECKPOINT_FILE)

    from . import checkpoint  # NumPy and what stands on it: nothing before needs it

    start = checkpoint.load(folder / CHECKPOINT_FILE)
    for name in given.keys() - _MAY_CHANGE:
        stated = getattr(start.config, name)
        if given[name] != stated:
            raise InputError(f"--{name.replace('_', '-')} {given[name]}: the run in {folder} has {stated}")
    found = _read_config(folder)
    config = _replace(start.config, {name: found[name] for name in _MAY_CHANGE & found.keys()}, folder)
    config = dataclasses.replace(config, **given)
    if config.iterations < start.iteration:
        raise InputError(
            f"--iterations {config.iterations}: the run in {folder} is at iteration {start.iteration} already"
        )
    run = Run(folder, config, start, lock=lock, data_digest=start.data_digest or found.get(DATA_DIGEST))
    run.metrics = read_metrics(run.metrics_path, start.iteration)
    return run


def read_settings(folder: Path) -> dict:
    """What config.json says of the run in a folder.

    Raises
    ------
    InputError : no run lies there, or the file cannot be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run folder")
    settings = read_object(folder / CONFIG_FILE)
    if settings is None:
        raise InputError(f"{folder}: holds no run: there is no config.json")
    return settings


def _read_config(folder: Path) -> dict:
    """What config.json holds; nothing if it is lost or damaged, as a checkpoint has all that is needed."""
    try:
        return read_object(folder / CONFIG_FILE) or {}
    except InputError:
        return {}


def _replace(config: TrainConfig, changes: dict, folder: Path) -> TrainConfig:
    """InputError, which names config.json, if that makes no sense."""
    try:
        return dataclasses.replace(config, **changes)
    except InputError as error:
        raise InputError(f"{folder / CONFIG_FILE}: {error}") from None


def _new_folder() -> Path:
    """runs/DATE-TIME, made now; with a number behind it where another process has just made the same.

    Raises
    ------
    InputError : it cannot be made.
    """
    name = time.strftime("%Y%m%d-%H%M%S")
    folder, number = Path("runs", name), 1
    with _usable(folder):
        folder.parent.mkdir(exist_ok=True)
        while True:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
                folder = folder.with_name(f"{name}-{number}")


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Whatever the system refuses inside is the fault of the folder that was given."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder}: cannot be used as a run folder: {error.strerror}") from None


def run_of(file: Path) -> Path | None:
    """The run folder in which a file is one of those that training writes; None if it is no such file."""
    if file.parent.name == SAMPLES_FOLDER and file.suffix == ".png" and file.stem.isdecimal():
        folder = file.parent.parent
    elif file.name in _FILES:
        folder = file.parent
    else:
        return None
    has = {name for name in (CHECKPOINT_FILE, CONFIG_FILE, METRICS_FILE) if (folder / name).exists()}
    return folder if CHECKPOINT_FILE in has or {CONFIG_FILE, METRICS_FILE} <= has else None


def sample_paths(folder: Path, iteration: int) -> list[tuple[int, Path]]:
    """(iteration, file) of every grid of samples in a run folder up to an iteration, in order."""
    files = (folder / SAMPLES_FOLDER).glob("*.png")
    found = sorted((int(path.stem), path) for path in files if path.stem.isdecimal())
    return [(number, path) for number, path in found if number <= iteration]


def read_metrics(path: Path, iteration: float = math.inf) -> list[dict]:
    """The lines up to an iteration, none if there is no file; one that was cut short or damaged is dropped.

    Raises
    ------
    InputError : the file cannot be read.
    """
    metrics = []
    for text in (read_bytes(path, _MOST_METRICS) or b"").splitlines():
        try:
            line = json.loads(text)
            finite = all(map(math.isfinite, line.values()))
            if line.keys() == set(METRICS) and finite and line["iteration"] <= iteration:
                metrics.append(line)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
    return metrics


def _line(metrics: dict) -> str:
    return json.dumps(metrics) + "\n"
