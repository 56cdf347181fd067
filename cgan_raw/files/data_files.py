"""Where the files of a data set lie; what is in them is for data/, which needs NumPy."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

TRAINING, TEST = "train", "t10k"  # what MNIST's file names begin with


def find(folder: Path, part: str) -> tuple[Path, Path]:
    """The files of images and labels in a folder that has MNIST's file names, plain or .gz.

    Raises
    ------
    InputError : there is no such folder or file; the message names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of IDX files")
    return _find(folder / f"{part}-images-idx3-ubyte"), _find(folder / f"{part}-labels-idx1-ubyte")


def check_data(folder: Path) -> None:
    """InputError unless both a training and a test set lie in a folder."""
    for part in (TRAINING, TEST):
        find(folder, part)


def _find(plain: Path) -> Path:
    for path in (plain, plain.with_name(f"{plain.name}.gz")):
        if path.is_file():
            return path
    raise InputError(f"{plain}: no such file, nor with .gz")
