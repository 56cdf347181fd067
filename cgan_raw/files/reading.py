"""Reading files that may be anything: never more than they should hold, and never from a pipe or a device."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from ..errors import InputError

_MOST_OF_AN_OBJECT = 2**20  # bytes


def check_there(path: Path) -> None:
    """InputError if there is no such file."""
    try:
        os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_bytes(path: Path, most: int) -> bytes | None:
    """All of a file of at most ``most`` bytes; None if there is no such file.

    Raises
    ------
    InputError : it is larger, no regular file, or cannot be read.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path}: cannot be read: it is no regular file")
            if status.st_size > most:
                raise InputError(f"{path}: cannot be read: it has more than {most:,} bytes")
            return file.read(status.st_size)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_object(path: Path) -> dict | None:
    """The JSON object that is a file's content; None if there is no such file.

    Raises
    ------
    InputError : it cannot be read, or is no object.
    """
    content = read_bytes(path, _MOST_OF_AN_OBJECT)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no JSON object")
    return found


def _without_waiting(path: str, flags: int) -> int:
    """A pipe is opened at once, though nobody may ever write to it; Windows has none among its files."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
