"""Where commands write: looked at before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .. import runs
from ..errors import InputError
from .checkpoint_file import is_checkpoint
from .reading import check_there
from .writing import check_file


def check_places(*written: Path, read: Sequence[Path] = ()) -> None:
    """InputError unless each file can be written, is no other of them, nor one of those that are read, and
    replaces no checkpoint nor any other file that training has made; and unless those that are read are there.
    """
    places = [os.path.realpath(each) for each in (*written, *read)]
    for each in written:
        place = check_file(each)
        if places.count(str(place)) > 1:
            raise InputError(f"{each}: is given for two files")
        run = runs.run_of(place)
        if run is not None:
            raise InputError(f"{each}: is a file of the run in {run}, which is not replaced")
        if is_checkpoint(place):
            raise InputError(f"{each}: is a checkpoint, which is not replaced")
    for each in read:
        check_there(each)


def check_suffix(flag: str, path: Path, suffix: str) -> None:
    """InputError unless a file's name says what is written into it."""
    if path.suffix.lower() != suffix:
        raise InputError(f"{flag} must end in {suffix}, not {path}")
