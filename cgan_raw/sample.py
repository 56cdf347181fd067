"""Draw digits from a checkpoint: ``python -m cgan_raw.sample``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import cli
from .errors import InputError


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m cgan_raw.sample", description="Draw digits from a checkpoint."
    )
    result.add_argument("checkpoint", type=Path, help="a checkpoint.safetensors")
    cli.add_device(result)
    result.add_argument("--digits", default="0123456789", help="which digits, in order (default: %(default)s)")
    result.add_argument(
        "--count", type=int, default=10, metavar="N", help="images of each digit (default: %(default)s)"
    )
    result.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the seed of the noise (default: %(default)s)"
    )
    result.add_argument(
        "--out", type=Path, default=Path("samples.png"), metavar="FILE",
        help="the picture, a row for each digit (default: %(default)s)",
    )  # fmt: skip
    result.add_argument(
        "--npz",
        type=Path,
        metavar="FILE",
        help="the images as arrays too: images (n,28,28) and labels (n,), uint8",
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, 1 cannot write, 2 bad input."""
    given = parser().parse_args(arguments)
    return cli.run(lambda: _sample(given))


def _sample(given: argparse.Namespace) -> int:
    if not given.digits or not set(given.digits) <= set("0123456789"):
        raise InputError(f"--digits must be made of 0 to 9, not {given.digits!r}")
    if given.count < 1:
        raise InputError(f"--count must be at least 1, not {given.count}")
    if not 0 <= given.seed < 2**64:
        raise InputError(f"--seed must be from 0 to 2^64 - 1, not {given.seed}")
    for path in filter(None, (given.out, given.npz)):
        if not path.parent.is_dir():
            raise InputError(f"{path}: no such folder")

    from .checkpoint import load
    from .images import grid, save_arrays, save_png
    from .sampling import Sampler, load_generator

    labels = [int(digit) for digit in given.digits for _ in range(given.count)]
    generator = load_generator(cli.make_backend(given), load(given.checkpoint))
    images = Sampler(generator, labels, given.seed).images()
    save_png(given.out, grid(images, labels, columns=given.count))
    print(f"{len(images)} images in {given.out}")
    if given.npz is not None:
        save_arrays(given.npz, images, labels)
        print(f"{len(images)} images in {given.npz}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
