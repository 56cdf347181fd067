"""Put two runs side by side: ``python -m cgan_raw.compare``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..console import cli
from ..console.text import show
from ..files.places import check_places, check_suffix
from ..runs import read_settings


def parser() -> argparse.ArgumentParser:
    result = cli.Parser("compare", "Put two runs side by side, as a table and as a picture.")
    result.add_argument("runs", type=cli.path, nargs=2, metavar="RUN", help="a run folder")
    result.add_argument(
        "--out", type=cli.path, default=Path("compare.png"), metavar="FILE",
        help="the picture (default: %(default)s)",
    )  # fmt: skip
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _compare(parser().parse_args(arguments)))


def _compare(given: argparse.Namespace) -> int:
    for run in given.runs:
        read_settings(run)
    check_places(given.out)
    check_suffix("--out", given.out, ".png")

    from . import comparison

    left, right = map(comparison.read, given.runs)
    comparison.save_picture(given.out, left, right)
    show(*comparison.table(left, right), "", f"saved {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
