"""Writing files so that a reader never sees half of one, whatever happens in between."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step; until then, and after any failure, the previous file is whole.

    Raises
    ------
    OSError : the disk is full, the folder is gone, ...; it names ``path``, and nothing is left behind.
    """
    with _naming(path):
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file.  Raises OSError, which names ``path``."""
    with _naming(path), path.open("ab") as file:
        file.write(content)


def remove_partial_files(folder: Path) -> None:
    """Delete what a process that was killed in the middle of :func:`write_atomically` left in a folder."""
    for leftover in folder.glob(f".*{_SUFFIX}"):
        leftover.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An OSError from inside names this file: not a temporary one, nor (a full disk) none at all."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
