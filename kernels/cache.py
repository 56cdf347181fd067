"""Where compiled kernels are kept: in a folder that only their user can write to, as they are run unseen.

What lies there can be deleted at any time.  Every file ends with the digest of what stands before, so one that
is damaged or cut short is as good as none.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import logging
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

_DIGEST_BYTES = hashlib.sha256().digest_size
_UNUSED_SECONDS = 14 * 24 * 3600


def folder(kind: str) -> Path:
    """The folder for one kind of compiled kernels; it need not be there yet."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = given if os.path.isabs(given) else os.path.expanduser("~/.cache")
    return _private(Path(base, "cgan_raw")) / kind


@functools.cache
def _private(wanted: Path) -> Path:
    """A folder of the user's own; if that cannot be had, a temporary one for this process, with a warning."""
    place = Path(os.path.realpath(wanted))  # what was looked at is used, whatever a link says later
    fault = _fault(place) if wanted.is_absolute() else "there is no home folder"
    if fault is None:
        return place
    logging.getLogger(__name__).warning(
        "%r: %s, so kernels that lie there are not used, and new ones are not kept", str(wanted), fault
    )
    temporary = tempfile.mkdtemp(prefix="cgan_raw-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _fault(place: Path) -> str | None:
    """Why nothing should be kept there, if so."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.stat()
    except OSError as error:
        return error.strerror
    if hasattr(os, "geteuid"):  # Windows keeps the folders of users apart by other means
        if found.st_uid != os.geteuid():
            return "belongs to somebody else"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "others can write to it"
    return None if os.access(place, os.W_OK | os.X_OK) else "cannot be written"


def read(path: Path) -> bytes | None:
    """What was kept at a path; None if there is nothing, or nothing whole."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    content, digest = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def keep(path: Path, content: bytes) -> None:
    """Put something into the cache.  Two processes may do so at once: the last to rename its file has its way.

    Raises
    ------
    OSError : the disk is full, the folder is gone, ...
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content + hashlib.sha256(content).digest())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def mark_used(path: Path) -> None:
    """So that :func:`prune` leaves it for now."""
    with contextlib.suppress(OSError):  # deleted meanwhile, or the disk is read-only
        os.utime(path)


def prune(place: Path) -> None:
    """Delete what lies in a folder of the cache and has not been used for two weeks."""
    try:
        entries = [entry for entry in place.iterdir() if entry.stat().st_mtime < time.time() - _UNUSED_SECONDS]
    except OSError:
        return  # another process prunes too
    for entry in entries:
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
