"""Run folders: what lies where, starting one, and going on with one."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import __version__, checkpoint
from .config import TrainConfig
from .errors import InputError
from .files import remove_partial_files, write_atomically


@dataclass
class Run:
    """A folder and the settings of the run in it.

    ``start`` is the checkpoint to go on from, None for a new run; ``metrics`` are the lines of metrics.jsonl up
    to there, and further ones as they are added.
    """

    folder: Path
    config: TrainConfig
    start: checkpoint.Checkpoint | None = None
    metrics: list[dict] = field(default_factory=list)

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / checkpoint.FILE_NAME

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.jsonl"

    def sample_path(self, iteration: int) -> Path:
        return self.folder / "samples" / f"{iteration:06d}.png"

    def sample_paths(self) -> list[tuple[int, Path]]:
        """(iteration, file) of every grid of samples up to now, in order."""
        found = (
            (int(path.stem), path) for path in (self.folder / "samples").glob("*.png") if path.stem.isdigit()
        )
        return sorted(found)

    def prepare(self, device: str) -> None:
        """Make the folder and bring metrics.jsonl to the state at the start; before this, nothing is touched.

        Raises
        ------
        InputError : the folder cannot be made or written.
        """
        try:
            (self.folder / "samples").mkdir(parents=True, exist_ok=True)
            remove_partial_files(self.folder)
            remove_partial_files(self.folder / "samples")
            settings = {"version": __version__, "device": device, **self.config.asdict()}
            write_atomically(self.folder / "config.json", (json.dumps(settings, indent=2) + "\n").encode())
            write_atomically(self.metrics_path, "".join(map(_line, self.metrics)).encode())
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be used as a run folder: {error.strerror}") from None

    def add_metrics(self, line: dict) -> None:
        """Append one line to metrics.jsonl in one write."""
        self.metrics.append(line)
        with self.metrics_path.open("ab", buffering=0) as file:
            file.write(_line(line).encode())


def create(folder: Path | None, config: TrainConfig) -> Run:
    """A new run in ``folder``, or in runs/DATE-TIME.

    Raises
    ------
    InputError : a run lies there already.
    """
    if folder is None:
        folder = Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    if config.data is not None:
        config = dataclasses.replace(config, data=str(Path(config.data).resolve()))
    run = Run(folder, config)
    if any(path.exists() for path in (folder / "config.json", run.metrics_path, run.checkpoint_path)):
        raise InputError(f"{folder}: holds a run already; go on with --resume {folder}, or give another --out")
    return run


def reopen(folder: Path, given: dict, may_change: set[str]) -> Run:
    """The run in ``folder`` at its last checkpoint, with the settings in ``given`` changed.

    Raises
    ------
    InputError : no usable checkpoint lies there, or a setting is given that the run's results depend on.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run folder")
    start = checkpoint.load(folder / checkpoint.FILE_NAME)
    for name in given.keys() - may_change:
        stated = getattr(start.config, name)
        if given[name] != stated:
            raise InputError(f"--{name.replace('_', '-')} {given[name]}: the run in {folder} has {stated}")
    config = dataclasses.replace(start.config, **given)
    run = Run(folder, config, start)
    run.metrics = _read_metrics(run.metrics_path, start.iteration)
    return run


def _read_metrics(path: Path, iteration: int) -> list[dict]:
    """The whole lines up to an iteration; a last one that was cut short is dropped."""
    metrics = []
    content = path.read_text(encoding="utf-8") if path.exists() else ""
    for text in content.splitlines():
        try:
            line = json.loads(text)
            if line["iteration"] <= iteration:
                metrics.append(line)
        except (ValueError, TypeError, KeyError):
            continue
    return metrics


def _line(metrics: dict) -> str:
    return json.dumps(metrics) + "\n"
