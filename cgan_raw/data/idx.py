"""Reading IDX files, the format of MNIST: a magic number, big-endian sizes, then bytes.

Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import CLASSES, PIXELS, SIDE
from ..errors import InputError

EMBEDDED = Path(__file__).parent / "mnist"
_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class Dataset:
    """Images and their labels.

    ``images`` is (N, 784) uint8, 0 background to 255 ink, rows of a picture one after the other; ``labels`` is
    (N,) uint8, each 0..9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def digest(self) -> str:
        """The same for the same images and labels, wherever they lie."""
        digest = hashlib.sha256(self.images)
        digest.update(self.labels)
        return digest.hexdigest()[:16]


def load_training(folder: str | Path | None = None) -> Dataset:
    """The training set in a folder that has MNIST's file names, plain or .gz; the embedded MNIST by default.

    Raises
    ------
    InputError : a file is missing or is not what its name says; the message names the file.
    """
    return _load(folder, "train")


def load_test(folder: str | Path | None = None) -> Dataset:
    """The test set; otherwise as :func:`load_training`."""
    return _load(folder, "t10k")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzipped.

    Raises
    ------
    InputError : unreadable, wrong magic number, or not as long as its header says.
    """
    content = _read(path)
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        raise InputError(f"{path}: magic number is {content[:4].hex() or 'missing'}, expected {magic.hex()}")
    if len(content) < header:
        raise InputError(f"{path}: truncated inside its header ({len(content)} bytes)")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    expected = header + math.prod(shape)
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "too long"
        raise InputError(f"{path}: {what}: its header promises {expected} bytes, it has {len(content)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _load(folder: str | Path | None, prefix: str) -> Dataset:
    folder = EMBEDDED if folder is None else Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of IDX files")
    images_path = _find(folder, f"{prefix}-images-idx3-ubyte")
    labels_path = _find(folder, f"{prefix}-labels-idx1-ubyte")
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if images.shape[1:] != (SIDE, SIDE):
        raise InputError(
            f"{images_path}: images are {images.shape[1]} x {images.shape[2]}, expected {SIDE} x {SIDE}"
        )
    if len(images) == 0:
        raise InputError(f"{images_path}: holds no images")
    if len(images) != len(labels):
        raise InputError(
            f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}"
        )
    if labels.max() >= CLASSES:
        raise InputError(f"{labels_path}: label {labels.max()} is not in 0..{CLASSES - 1}")
    return Dataset(images.reshape(-1, PIXELS), labels)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{folder / name}: no such file, nor with .gz")


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise InputError(f"{path}: cannot be read: {error}") from None
