"""Reading IDX files, the format of MNIST: a magic number, big-endian sizes, then bytes.

Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ..config import CLASSES, PIXELS, SIDE
from ..errors import InputError
from ..files import data_files

EMBEDDED = Path(__file__).parent / "mnist"
MNIST_DIGEST = "edc0d1098aa497be"  # that of the embedded training set
_UNSIGNED_BYTE = 0x08
_PART = 2**20  # bytes read at a time


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
    return _load(folder, data_files.TRAINING)


def load_test(folder: str | Path | None = None) -> Dataset:
    """The test set; otherwise as :func:`load_training`."""
    return _load(folder, data_files.TEST)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzipped.

    No more is read than the header promises, and one byte to see that this is all.

    Raises
    ------
    InputError : unreadable, wrong magic number, or not as long as its header says.
    """
    with _opened(path) as file:
        shape = _read_shape(path, file, dimensions)
        promised, content = math.prod(shape), bytearray()
        while part := file.read(min(_PART, promised + 1 - len(content))):
            content += part
    if len(content) != promised:
        header = _header_bytes(dimensions)
        has = f"{header + len(content)}" if len(content) < promised else "more"
        what = "truncated" if len(content) < promised else "too long"
        raise InputError(f"{path}: {what}: its header promises {header + promised} bytes, it has {has}")
    array = np.frombuffer(content, np.uint8).reshape(shape)
    array.flags.writeable = False
    return array


def read_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """What the header of an IDX file promises; InputError if it has none."""
    with _opened(path) as file:
        return _read_shape(path, file, dimensions)


def _read_shape(path: Path, file: IO[bytes], dimensions: int) -> tuple[int, ...]:
    header = file.read(_header_bytes(dimensions))
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if header[:4] != magic:
        raise InputError(f"{path}: magic number is {header[:4].hex() or 'missing'}, expected {magic.hex()}")
    if len(header) < _header_bytes(dimensions):
        raise InputError(f"{path}: truncated inside its header ({len(header)} bytes)")
    return tuple(int(n) for n in np.frombuffer(header, ">u4", dimensions, offset=4))


def _header_bytes(dimensions: int) -> int:
    return 4 + 4 * dimensions


def _load(folder: str | Path | None, part: str) -> Dataset:
    images_path, labels_path = data_files.find(EMBEDDED if folder is None else Path(folder), part)
    (count, height, width), (labelled,) = read_shape(images_path, 3), read_shape(labels_path, 1)
    if (height, width) != (SIDE, SIDE):
        raise InputError(f"{images_path}: images are {height} x {width}, expected {SIDE} x {SIDE}")
    if count == 0:
        raise InputError(f"{images_path}: holds no images")
    if count != labelled:
        raise InputError(f"{labels_path}: {labelled} labels for the {count} images of {images_path}")
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if labels.max() >= CLASSES:
        raise InputError(f"{labels_path}: label {labels.max()} is not in 0..{CLASSES - 1}")
    return Dataset(images.reshape(-1, PIXELS), labels)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked if it is gzipped; what goes wrong inside is an InputError."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError without a number
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
