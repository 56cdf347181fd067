"""Train the classifier that evaluation uses: ``python -m cgan_raw.evaluate.train_classifier``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..config import check_seed
from ..console import cli
from ..console.text import show
from ..errors import InputError
from ..files.data_files import check_data
from ..files.places import check_places, check_suffix


def parser() -> argparse.ArgumentParser:
    result = cli.Parser(
        "evaluate.train_classifier",
        "Train the classifier that evaluation uses, on the embedded MNIST or on other data.",
    )
    cli.add_device(result)
    result.add_argument(
        "--data", type=cli.path, metavar="DIR",
        help="a folder of IDX files with MNIST's four names, plain or .gz (default: the embedded MNIST)",
    )  # fmt: skip
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
    check_suffix("--out", given.out, ".safetensors")
    check_places(given.out, given.out.with_suffix(".json"))
    if given.data is not None:
        check_data(given.data)

    from ..console.progress import bar
    from ..data import load_test, load_training
    from .classifier import Classifier, save
    from .classifier_training import Training
    from .metrics import accuracy, confusion

    dataset, test = load_training(given.data), load_test(given.data)
    backend = cli.backend(given)
    training = Training(backend, dataset, given.iterations, given.seed)
    for _ in bar(range(given.iterations), "training"):
        training.run()
    _, logits = Classifier(training.parameters, rows=1000).judge(test.images)
    reached = accuracy(confusion(logits, test.labels))
    facts = {
        "test_accuracy": reached,
        "data_digest": dataset.digest(),
        "iterations": given.iterations,
        "seed": given.seed,
    }
    save(given.out, training.weights(), facts)
    show(f"{100 * reached:.2f} % of the test set; saved {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
