"""Say how good a checkpoint's digits are: ``python -m cgan_raw.evaluate``."""

from __future__ import annotations

import argparse
import sys

from ..config import check_seed
from ..console import cli
from ..console.text import show
from ..files.places import check_places
from ..files.writing import check_folder


def parser() -> argparse.ArgumentParser:
    result = cli.Parser("evaluate", "Say how good a checkpoint's digits are.")
    result.add_argument("checkpoint", type=cli.path, help="a checkpoint.safetensors")
    cli.add_device(result)
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

    from ..checkpoint import load
    from . import report
    from .measure import measure

    checkpoint = load(given.checkpoint)
    check_places(*report.places(folder, checkpoint.config.model), read=[given.checkpoint])
    backend = cli.backend(given)
    config = checkpoint.config
    trained = f"{config.model}, iteration {checkpoint.iteration:,}, seed {config.seed}"
    show(f"checkpoint  {given.checkpoint}, {trained}")
    show(f"device      {backend.name}: {backend.description}")
    if config.data is not None:
        show(f"note        trained on {config.data}, compared with the embedded MNIST")
    evaluation = measure(backend, checkpoint, given.seed)
    facts = report.facts(checkpoint, backend, given.seed, given.tf32)
    saved = report.save(folder, evaluation, facts)
    show(f"classifier  {100 * evaluation.classifier['test_accuracy']:.2f} % of the test set", "")
    show(*report.text(evaluation).splitlines(), "", f"saved {' '.join(map(str, saved))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
