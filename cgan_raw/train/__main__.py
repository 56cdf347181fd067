"""Train a conditional GAN, or a plain one: ``python -m cgan_raw.train``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from .. import runs
from ..config import MODELS, TrainConfig
from ..console import cli, launching
from ..console.stopping import SIGNALS
from ..ranks import ALONE, Alone
from .distributed import KINDS, connect

_HELP = {
    "model": "what to train: a conditional GAN; a plain one, which cannot be asked for a digit; "
    "a conditional one of convolutions",
    "iterations": "training iterations in all",
    "batch_size": "images in a mini-batch",
    "seed": "the run's seed, 0 to 2^64 - 1; a run is a function of it",
    "learning_rate": "Adam's learning rate, of both networks",
    "beta1": "Adam's beta1, of both networks",
    "data": "a folder of IDX files with MNIST's four names, plain or .gz (default: the embedded MNIST)",
    "log_every": "iterations between two lines of metrics",
    "sample_every": "iterations between two grids of samples",
    "checkpoint_every": "iterations between two checkpoints",
}


def _absolute(folder: str) -> str:
    """A run can be resumed from anywhere."""
    return str(cli.path(folder).resolve())


#: How argparse reads the settings that are no whole numbers.
_VALUES = {
    "model": {"choices": MODELS},
    "learning_rate": {"type": float, "metavar": "X"},
    "beta1": {"type": float, "metavar": "X"},
    "data": {"type": _absolute, "metavar": "DIR"},
}


def parser() -> argparse.ArgumentParser:
    """The flags of train; a setting that is not given is absent from the namespace."""
    result = cli.Parser("train", "Train a conditional GAN, or a plain one.")
    cli.add_device(result)
    for field in fields(TrainConfig):
        shown = "" if field.default is None else f" (default: {field.default})"
        result.add_argument(
            f"--{field.name.replace('_', '-')}",
            **_VALUES.get(field.name, {"type": int, "metavar": "N"}),
            default=argparse.SUPPRESS,
            help=_HELP[field.name] + shown,
        )
    folder = result.add_mutually_exclusive_group()
    folder.add_argument("--out", type=cli.path, metavar="DIR", help="the run folder (default: runs/DATE-TIME)")
    folder.add_argument("--resume", type=cli.path, metavar="RUN", help="go on with the run in this folder")
    result.add_argument(
        "--no-graph", action="store_true", help="on gpu: launch kernel by kernel, not as a CUDA graph"
    )
    result.add_argument(
        "--layered",
        action="store_true",
        help="compute layer by layer, op by op, though the device has fused ops",
    )
    result.add_argument(
        "--distributed",
        choices=KINDS,
        help="train as one of the ranks that mpiexec or srun starts, each on its share of every mini-batch: "
        "mpi on cpu and simt, nccl on a GPU for each",
    )
    result.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return launching.run_together(lambda: cli.run(lambda: _train(parser().parse_args(arguments))))


def _train(given: argparse.Namespace) -> int:
    ranks = _ranks(given)
    settings = {name: value for name, value in vars(given).items() if name in _HELP}
    run = ranks.share(runs.begin(given.out, given.resume, settings) if ranks.rank == 0 else None)
    ranks.rows(run.config.batch_size)

    from . import trainer  # NumPy and what stands on it: nothing before needs it

    backend = ranks.distribute(cli.backend(given, graph=not given.no_graph))
    stopping = SIGNALS.deferred(not given.quiet and ranks.rank == 0)
    trainer.train(run, backend, given.quiet, stopping, f"{cli.called('train')} --resume {{}}", given.layered)
    ranks.close()
    return 0


def _ranks(given: argparse.Namespace) -> Alone:
    """Who trains together; the device that was asked for becomes one on which they can."""
    if given.distributed is None:
        launching.check_alone()
        return ALONE
    ranks = connect(given.distributed)
    given.device = ranks.device(given.device)
    return ranks


if __name__ == "__main__":
    sys.exit(main())
