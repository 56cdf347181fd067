"""Draw digits from a checkpoint: ``python -m cgan_raw.sample``."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import GAN, check_seed
from ..console import cli
from ..console.text import show
from ..errors import InputError
from ..files.places import check_places, check_suffix
from . import checks

if TYPE_CHECKING:
    from ..models import Parameters
    from .sheets import Sheet

_ALL_DIGITS = "0123456789"
_COUNT = 10  # of each digit, and steps of a walk
_COUNT_OF_GAN = 100


def parser() -> argparse.ArgumentParser:
    result = cli.Parser("sample", "Draw digits from a checkpoint.")
    cli.add_run(result)
    cli.add_device(result)
    _add_what_is_drawn(result)
    result.add_argument(
        "--out", type=cli.path, default=Path("samples.png"), metavar="FILE",
        help="the picture (default: %(default)s)",
    )  # fmt: skip
    result.add_argument(
        "--gif", type=cli.path, metavar="FILE", help="the walks of --interpolate or --morph as a film too"
    )
    result.add_argument(
        "--npz",
        type=cli.path,
        metavar="FILE",
        help="the images as arrays too: images (n,28,28) and, where each shows one digit, labels (n,), uint8",
    )
    return result


def _add_what_is_drawn(result: argparse.ArgumentParser) -> None:
    result.add_argument("--digits", help="which digits, in order; not for a plain GAN (default: 0123456789)")
    size = result.add_mutually_exclusive_group()
    size.add_argument(
        "--count", type=int, metavar="N",
        help="images of each digit, or steps of each walk (default: 10); of a plain GAN images in all "
        "(default: 100)",
    )  # fmt: skip
    size.add_argument(
        "--grid", metavar="ROWSxCOLS",
        help="images in the picture, shared out among the digits; a walk is a row "
        "(default: a row of --count for each digit, folded after a hundred)",
    )  # fmt: skip
    walk = result.add_mutually_exclusive_group()
    walk.add_argument("--interpolate", action="store_true", help="walk from one noise to another in each row")
    walk.add_argument(
        "--morph", metavar="A:B", help="walk from digit A to digit B in each row, one noise a row"
    )
    result.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the seed of the noise (default: %(default)s)"
    )


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _sample(parser().parse_args(arguments)))


def _sample(given: argparse.Namespace) -> int:
    _check(given)

    from ..checkpoint import load
    from ..images import save_arrays, save_png, save_walk
    from ..sampler import Sampler, load_generator

    checkpoint = load(given.checkpoint)
    digits = _digits(given, checkpoint.config.model)
    rows, columns = _size(given, digits)
    flag = f"--count {given.count}" if given.grid is None else f"--grid {given.grid}"
    checks.check_images(rows * columns, flag)
    generator = load_generator(cli.backend(given), checkpoint)
    sheet = _sheet(given, generator, digits, rows, columns)
    images = Sampler(generator, sheet.z, sheet.labels).images()
    save_png(given.out, sheet.picture(images))
    saved = [f"{len(images)} images in {given.out}"]
    if given.gif is not None:
        save_walk(given.gif, sheet.frames(images))
        saved.append(f"{columns} steps in {given.gif}")
    if given.npz is not None:
        save_arrays(given.npz, images, None if given.morph else sheet.labels)
        saved.append(f"{len(images)} images in {given.npz}")
    show(*saved)
    return 0


def _sheet(
    given: argparse.Namespace, generator: Parameters, digits: list[int], rows: int, columns: int
) -> Sheet:
    from . import sheets

    if given.morph:
        return sheets.morph(generator, given.seed, digits, rows, columns)
    if given.interpolate:
        return sheets.interpolation(generator, given.seed, digits, rows, columns)
    count = _count(given, digits) if given.grid is None else rows * columns
    return sheets.samples(generator, given.seed, digits, count, columns)


def _digits(given: argparse.Namespace, model: str) -> list[int]:
    """The digits to draw, or to walk between; none of a plain GAN."""
    if model == GAN:
        for flag, value in (("--digits", given.digits), ("--morph", given.morph)):
            if value is not None:
                raise checks.no_digits(flag, given.checkpoint)
        return []
    wanted = given.morph or given.digits or _ALL_DIGITS
    return [int(digit) for digit in wanted if digit != ":"]


def _size(given: argparse.Namespace, digits: list[int]) -> tuple[int, int]:
    """Rows and columns of the picture."""
    from . import sheets

    walks = given.interpolate or given.morph
    if given.grid is not None:
        rows, columns = map(int, given.grid.split("x"))
        shared_out = 1 if given.morph or not digits else len(digits)
        if (rows if walks else rows * columns) % shared_out:
            what = f"{rows} walks" if walks else f"{rows * columns} images"
            raise InputError(
                f"--grid {given.grid}: {what} cannot be shared out evenly among {shared_out} digits"
            )
        return rows, columns
    if walks:
        return _COUNT if given.morph or not digits else len(digits), given.count or _COUNT
    return sheets.size(_count(given, digits), digits)


def _count(given: argparse.Namespace, digits: list[int]) -> int:
    """Images in all, where nobody asked for a grid."""
    return len(digits) * (given.count or _COUNT) if digits else given.count or _COUNT_OF_GAN


def _check(given: argparse.Namespace) -> None:
    """Refuse what needs no look at the checkpoint."""
    if given.digits is not None:
        checks.check_digits(given.digits)
    if given.morph is not None:
        checks.check_morph(given.morph)
    if given.grid is not None and not re.fullmatch("[1-9][0-9]{0,8}x[1-9][0-9]{0,8}", given.grid):
        raise InputError(f"--grid must be rows and columns, such as 4x6, not {given.grid!r}")
    if given.count is not None:
        checks.check_count(given.count)
    _check_walks(given)
    check_seed(given.seed)
    written = {"--out": (given.out, ".png"), "--gif": (given.gif, ".gif"), "--npz": (given.npz, ".npz")}
    written = {flag: place for flag, place in written.items() if place[0] is not None}
    check_places(*(path for path, _ in written.values()), read=[given.checkpoint])
    for flag, (path, suffix) in written.items():
        check_suffix(flag, path, suffix)


def _check_walks(given: argparse.Namespace) -> None:
    if given.morph and given.digits:
        raise InputError("--digits: --morph says already which digits are drawn")
    if not (given.interpolate or given.morph):
        if given.gif is not None:
            raise InputError("--gif is the film of a walk: give --interpolate or --morph too")
        return
    steps = 1 if (given.grid or "").endswith("x1") else given.count
    checks.check_steps(steps, "morph" if given.morph else "interpolate")


if __name__ == "__main__":
    sys.exit(main())
