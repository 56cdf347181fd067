"""By what a checkpoint's file is known; what is in it is for checkpoint.py, which needs NumPy."""

from __future__ import annotations

import json
from pathlib import Path

FILE_NAME = "checkpoint.safetensors"
FORMAT = "cgan_raw/1"


def checkpoint_of(run: Path) -> Path:
    """The checkpoint that is meant by a run folder, or by a path of its own."""
    return run / FILE_NAME if run.is_dir() else run


def is_checkpoint(path: Path) -> bool:
    """Whether a file begins as one that checkpoint.py has written, damaged or not."""
    try:
        with path.open("rb") as file:
            return file.read(200)[8:].startswith(json.dumps({"__metadata__": {"format": FORMAT}}).encode()[:-2])
    except OSError:
        return False
