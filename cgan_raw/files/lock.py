"""Keeping other processes out of a folder."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class Lock:
    """Lets one at a time train in a folder: held until it is released, or deleted, or the process ends.

    The system sees to that, so a process that is killed leaves none behind.  On a file system that has no locks
    (some network disks; Windows has none for folders) nobody is kept out: training is worth more there than the
    guard.

    Raises
    ------
    InputError : another one holds it, of this process or of another.
    OSError : the folder cannot be opened.
    """

    def __init__(self, folder: Path):
        self._handle = None
        if fcntl is None:
            return
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process is training there") from None
        except OSError:
            pass  # no locks on this disk

    def release(self) -> None:
        """Let others in."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    __del__ = release
