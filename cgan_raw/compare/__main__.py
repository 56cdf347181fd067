"""Put runs side by side: ``python -m cgan_raw.compare``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..console import cli
from ..console.text import show
from ..errors import InputError
from ..files.places import check_places, check_suffix
from ..runs import read_settings

_PICTURE = Path("compare.png")
_MOST_PICTURED = 3  # runs: as many as the models, and no more has room in a page


def parser() -> argparse.ArgumentParser:
    result = cli.Parser("compare", "Put runs side by side as a table, and up to three as a picture.")
    result.add_argument("first", type=cli.path, metavar="RUN", help="a run folder")
    result.add_argument("others", type=cli.path, nargs="+", metavar="RUN", help="those to put beside it")
    picture = f"the picture of two or three (default: {_PICTURE})"
    result.add_argument("--out", type=cli.path, metavar="FILE", help=picture)
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _compare(parser().parse_args(arguments)))


def _compare(given: argparse.Namespace) -> int:
    runs = given.first, *given.others
    for run in runs:
        read_settings(run)
    picture = given.out or (_PICTURE if len(runs) <= _MOST_PICTURED else None)
    if picture is not None:
        if len(runs) > _MOST_PICTURED:
            raise InputError(f"--out: a picture is of two or three runs, not of {len(runs)}")
        check_places(picture)
        check_suffix("--out", picture, ".png")

    from . import comparison

    sides = tuple(map(comparison.read, runs))
    lines = comparison.table(*sides)
    if picture is not None:
        comparison.save_picture(picture, *sides)
        lines += ["", f"saved {picture}"]
    show(*lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
