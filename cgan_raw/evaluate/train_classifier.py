"""Train the classifier that evaluation uses: ``python -m cgan_raw.evaluate.train_classifier``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..config import check_seed
from ..console import cli
from ..console.text import show
from ..errors import InputError
from ..files.places import check_places


def parser() -> argparse.ArgumentParser:
    result = cli.Parser(
        "evaluate.train_classifier",
        "Train the classifier that evaluation uses, on the embedded MNIST.",
    )
    cli.add_device(result)
    result.add_argument(
        "--iterations", type=int, default=14_000, metavar="N", help="in all (default: %(default)s)"
    )
    result.add_argument(
        "--seed", type=int, default=0, metavar="N", help="weights are a function of it (default: %(default)s)"
    )
    result.add_argument(
        "--out", type=cli.path, default=Path("classifier.safetensors"), metavar="FILE",
        help="the weights; their digest and accuracy go into a .json beside it (default: %(default)s)",
    )  # fmt: skip
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _train(parser().parse_args(arguments)))


def _train(given: argparse.Namespace) -> int:
    if given.iterations < 1:
        raise InputError(f"--iterations must be at least 1, not {given.iterations}")
    check_seed(given.seed)
    if given.out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors, not {given.out}")
    check_places(given.out, given.out.with_suffix(".json"))

    from ..console.progress import bar
    from ..data import load_test, load_training
    from .classifier import Classifier, save
    from .classifier_training import Training
    from .metrics import accuracy, confusion

    backend = cli.backend(given)
    training = Training(backend, load_training(), given.iterations, given.seed)
    for _ in bar(range(given.iterations), "training"):
        training.run()
    test = load_test()
    _, logits = Classifier(training.parameters, rows=1000).judge(test.images)
    reached = accuracy(confusion(logits, test.labels))
    facts = {"test_accuracy": reached, "iterations": given.iterations, "seed": given.seed}
    save(given.out, training.weights(), facts)
    show(f"{100 * reached:.2f} % of the test set; saved {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
