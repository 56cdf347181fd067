"""Writing files so that a reader never sees half of one, whatever happens in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..console.stopping import SIGNALS
from ..errors import InputError, explain

_SUFFIX = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step; until then, and after any failure, the previous file is whole.

    Where ``path`` is a symbolic link, the file that it points to is replaced.

    Raises
    ------
    OSError : the disk is full, the folder is gone, ...; it names ``path``, and nothing is left behind.
    Stopped : a signal asks this command to end.
    """
    SIGNALS.check()
    with _naming(path):
        place = target(path)
        temporary = place.with_name(f".{os.urandom(8).hex()}{_SUFFIX}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(place.parent)


def target(path: Path) -> Path:
    """The file that is written for ``path``, at the end of symbolic links.

    Raises
    ------
    OSError : what lies there is not a file that can be replaced but a folder, a pipe, a device; it names
        ``path``.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if os.path.lexists(place) and not place.is_file():
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return place


def check_file(given: Path) -> Path:
    """The file that is written for a path, at the end of links; InputError if it cannot be written."""
    try:
        place = target(given)
        check_folder(place.parent, given)
    except OSError as error:
        raise InputError(explain(error)) from None
    return place


def check_folder(folder: Path, given: Path) -> None:
    """InputError, which names what was given, unless files can be put into a folder."""
    if not folder.is_dir():
        raise InputError(f"{given}: no such folder")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{given}: the folder cannot be written")


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
