"""Say how good a checkpoint's digits are: ``python -m cgan_raw.evaluate``."""

from __future__ import annotations

import argparse
import sys

from ..config import check_seed
from ..console import cli
from ..console.text import show
from ..files.data_files import check_data
from ..files.places import check_places
from ..files.writing import check_folder


def parser() -> argparse.ArgumentParser:
    result = cli.Parser("evaluate", "Say how good a checkpoint's digits are.")
    cli.add_run(result)
    cli.add_device(result)
    result.add_argument(
        "--classifier", type=cli.path, metavar="FILE",
        help="who judges, made by python -m cgan_raw.evaluate.train_classifier on the data that the checkpoint "
        "was trained on (default: the classifier that comes with the package, for MNIST)",
    )  # fmt: skip
    result.add_argument(
        "--data", type=cli.path, metavar="DIR",
        help="the folder of that data, if they have moved (default: where they were)",
    )  # fmt: skip
    result.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the seed of the noise (default: %(default)s)"
    )
    result.add_argument(
        "--out", type=cli.path, metavar="DIR",
        help="where evaluation.json and a picture go (default: the checkpoint's folder)",
    )  # fmt: skip
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _evaluate(parser().parse_args(arguments)))


def _evaluate(given: argparse.Namespace) -> int:
    check_seed(given.seed)
    folder = given.checkpoint.parent if given.out is None else given.out
    check_folder(folder, folder)
    read = [path for path in (given.checkpoint, given.classifier) if path is not None]
    check_places(read=read)
    if given.data is not None:
        check_data(given.data)

    from ..checkpoint import load
    from . import report, standard
    from .measure import measure

    checkpoint = load(given.checkpoint)
    check_places(*report.places(folder, checkpoint.config.model), read=read)
    against = standard.load(checkpoint, given.classifier, given.data)
    backend = cli.backend(given)
    config = checkpoint.config
    trained = f"{config.model}, iteration {checkpoint.iteration:,}, seed {config.seed}"
    show(f"checkpoint  {given.checkpoint}, {trained}")
    show(f"device      {backend.name}: {backend.description}")
    show(f"data        {against.name}")
    evaluation = measure(backend, checkpoint, given.seed, against)
    facts = report.facts(checkpoint, backend, given.seed, given.tf32)
    saved = report.save(folder, evaluation, facts)
    judge = "" if given.classifier is None else f"{given.classifier}, "
    show(f"classifier  {judge}{100 * evaluation.classifier['test_accuracy']:.2f} % of the test set", "")
    show(*report.text(evaluation).splitlines(), "", f"saved {' '.join(map(str, saved))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
