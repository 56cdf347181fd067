"""The loop around the iteration: progress, metrics, samples, checkpoints, and an orderly end on a signal."""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager

import numpy as np

from ..checkpoint import Checkpoint, save
from ..config import CLASSES, GAN, TrainConfig
from ..console.progress import Progress
from ..console.stopping import Stop
from ..data import Dataset, load_training
from ..devices.backend import Backend
from ..devices.turns import TURNS
from ..errors import InputError, TrainingError, explain
from ..fused_iteration import make_iteration, why_layered
from ..images import grid, save_film, save_loss_plot, save_png
from ..models import summary
from ..runs import FILM_FILE, PLOT_FILE, Run, sample_paths
from ..sampler import Sampler, noise

#: Iterations whose losses stay on the device; they are read at least this often.
_HISTORY = 1_000
_GRID_COLUMNS = 5

#: Seconds that pass at least between two lines of metrics, though the clock may stand still.
_TICK = time.get_clock_info("perf_counter").resolution


def train(
    run: Run,
    backend: Backend,
    quiet: bool,
    stopping: AbstractContextManager[Stop],
    go_on: str,
    layered: bool = False,
) -> int:
    """Run a run to its end or to a signal; how many iterations are behind it then.

    Parameters
    ----------
    stopping : inside, signals are noted.
    go_on : what to say to go on with a run that was stopped; its ``{}`` is the folder.
    layered : iterate op by op, though there are fused ones.

    Raises
    ------
    InputError : the data or the folder cannot be used.
    TrainingError : a loss is no number any more, or a file cannot be written; the last good checkpoint stands.
    """
    dataset, ranks = load_training(run.config.data), backend.ranks
    digest = dataset.digest()
    if not ranks.same(digest):
        raise InputError("--data: the ranks have different data sets")
    if ranks.rank == 0:
        run.prepare(backend.name, digest)
    done = 0 if run.start is None else run.start.iteration
    with (
        Progress(done, run.config.iterations, run.config.batch_size, quiet or ranks.rank > 0) as progress,
        stopping as stop,
    ):
        _say_what_starts(progress, run, backend, dataset, layered)
        trainer = Trainer(run, backend, dataset, progress, layered)
        try:
            trainer.train(stop)
            trainer.finish(stop, go_on)
        except OSError as error:
            raise TrainingError(f"{explain(error)}; {trainer.last_good()}") from None
    return trainer.done


class Trainer:
    """One run under way.  ``done`` counts the iterations behind it.  Of several ranks the first one writes."""

    def __init__(self, run: Run, backend: Backend, dataset: Dataset, progress: Progress, layered: bool):
        self.run, self.progress, self.config, self.ranks = run, progress, run.config, backend.ranks
        self.iteration = make_iteration(backend, run.config, dataset, _HISTORY, layered)
        self.run_some = backend.repeat(self.iteration.run)
        z = noise(backend, CLASSES, run.config.seed)
        self.sampler = Sampler(self.iteration.parameters["generator"], z, np.arange(CLASSES))
        self.done = self.checked = 0
        if run.start is not None:
            self.iteration.restore(run.start.tensors, run.start.iteration)
            self.done = self.checked = run.start.iteration
        self.saved = None if run.start is None else self.done
        self.seconds_before = run.metrics[-1]["seconds"] if run.metrics else 0.0
        self.started = self.logged_at = time.perf_counter()
        self.logged = self.done

    @np.errstate(over="ignore", invalid="ignore")  # _check_losses and _save see what these lead to
    def train(self, stop: Stop) -> None:
        """Iterate to the end or to a signal, and stop wherever something is due."""
        pause = self._next_pause()
        while self.done < self.config.iterations and not self._stopped(stop):
            with TURNS:
                self.done += self.run_some(pause - self.done)
            if self.done == pause:
                self._pause()
                pause = self._next_pause()
        if self.done > self.checked:
            self._pause()

    def finish(self, stop: Stop, go_on: str) -> None:
        """Save what the end of a run leaves behind, and say where it lies."""
        if self.ranks.rank == 0:
            self._finish(stop, go_on)
        self._stopped(stop)  # all are at their end, and end alike

    def _finish(self, stop: Stop, go_on: str) -> None:
        if self.saved != self.done:
            self._save()
        grids = sample_paths(self.run.folder, self.done)
        if grids:
            frames = [(f"iteration {number:,}", path) for number, path in grids]
            save_film(self.run.folder / FILM_FILE, frames)
        if self.run.metrics:
            save_loss_plot(self.run.folder / PLOT_FILE, self.run.metrics)
        how = "finished" if stop.received is None else f"stopped by {signal.Signals(stop.received).name}"
        self.progress.say(f"{how} after iteration {self.done:,}; saved {self.run.checkpoint_path}")
        if self.done < self.config.iterations:
            self.progress.say(f"go on with: {go_on.format(self.run.folder)}")

    def _stopped(self, stop: Stop) -> bool:
        """Whether a rank has been asked to end; they agree."""
        number = self.ranks.agree(stop.received)
        if number is not None:
            stop.received = number
        return number is not None

    def _next_pause(self) -> int:
        """The next iteration after which something is due."""
        c = self.config
        intervals = (c.log_every, c.sample_every, c.checkpoint_every, _HISTORY)
        return min(c.iterations, *((self.done // n + 1) * n for n in intervals))

    def _pause(self) -> None:
        c = self.config
        ended = self.done == c.iterations
        losses = self._check_losses()
        if self.ranks.rank > 0:
            return
        if ended or self.done % c.log_every == 0:
            self._log(losses)
        self.progress.advance(self.done)
        if ended or self.done % c.sample_every == 0:
            save_png(self.run.sample_path(self.done), self._grid())
        if ended or self.done % c.checkpoint_every == 0:
            self._save()

    def _check_losses(self) -> np.ndarray:
        """The losses of the last iteration, (3,); all since the last call must be finite."""
        losses = self.iteration.read_losses(self.checked + 1, self.done)
        bad = np.flatnonzero(~np.isfinite(losses).all(axis=1))
        if bad.size:
            where = self.checked + 1 + bad[0]
            raise TrainingError(
                f"training diverged: a loss of iteration {where} is not finite; {self.last_good()}"
            )
        self.checked = self.done
        return losses[-1]

    def _log(self, losses: np.ndarray) -> None:
        now = time.perf_counter()
        elapsed = max(now - self.logged_at, _TICK)
        images = self.config.batch_size * (self.done - self.logged)
        line = {
            "iteration": self.done,
            **dict(zip(("d_loss", "d_accuracy", "g_loss"), losses.tolist(), strict=True)),
            "images_per_second": images / elapsed,
            "seconds": self.seconds_before + now - self.started,
        }
        self.logged, self.logged_at = self.done, now
        self.run.add_metrics(line)
        self.progress.report(line)

    def _grid(self):
        """Digits 0 to 9; of a plain GAN, ten images of whatever it draws."""
        captions = range(CLASSES) if self.config.model != GAN else None
        return grid(self.sampler.images(), captions, _GRID_COLUMNS)

    def _save(self) -> None:
        state = self.iteration.state()
        for name, tensor in state.items():
            if not np.isfinite(tensor).all():
                raise TrainingError(
                    f"training diverged: {name} is not finite after iteration {self.done}; {self.last_good()}"
                )
        save(self.run.checkpoint_path, Checkpoint(state, self.done, self.config, self.run.data_digest))
        self.saved = self.done

    def last_good(self) -> str:
        """What is left to go on from."""
        if self.saved is None or not self.run.checkpoint_path.exists():
            return "there is no checkpoint"
        return f"the checkpoint of iteration {self.saved} stands"


def _say_what_starts(progress: Progress, run: Run, backend: Backend, dataset: Dataset, layered: bool) -> None:
    model = run.config.model
    for network in ("generator", "discriminator"):
        progress.say(*summary(network, model).splitlines(), "")
    progress.say(f"model       {model}")
    progress.say(f"data        {len(dataset):,} images, {run.config.data or 'embedded MNIST'}")
    progress.say(f"device      {backend.name}: {backend.description}")
    progress.say(f"iteration   {_way(backend, run.config, layered)}")
    if backend.ranks.size > 1:
        rows = backend.ranks.rows(run.config.batch_size)
        progress.say(f"ranks       {backend.ranks.size}, {rows.stop - rows.start} images each")
    progress.say(f"seed        {run.config.seed}")
    resumed = "" if run.start is None else f", from iteration {run.start.iteration:,}"
    progress.say(f"run folder  {run.folder}{resumed}", "")


def _way(backend: Backend, config: TrainConfig, layered: bool) -> str:
    """How iterations are computed, and why not fused where nobody has asked for it."""
    reason = "" if layered else why_layered(backend, config)
    return f"op by op: {reason}" if reason else "op by op" if layered else "fused"
