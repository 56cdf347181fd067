"""The files of bench/results: written in one step, and read with a line for whatever is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cgan_raw.errors import InputError
from cgan_raw.files.writing import write_atomically

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "bench" / "results"


def keep(file: Path, results: dict) -> None:
    """Write results: whoever reads the file sees the previous ones or these.

    Raises
    ------
    OSError : they cannot be written; the previous file is whole.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, (json.dumps(results, indent=1) + "\n").encode())


def tag(device: str, stamp: dict) -> str:
    """How files with results of a device end; a CPU with narrower vectors than it has is another."""
    narrowed = device == "cpu" and stamp.get("narrowed")
    return f"{device}-{stamp['instructions'].lower()}" if narrowed else device


def reason(error: BaseException) -> str:
    """What an exception says, in one line that is not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def load(folder: Path, kind: str, read: Callable[[dict], Any]) -> list[Any]:
    """What ``read`` makes of each ``KIND-*.json`` in a folder and those below it, in the order of their names.

    Raises
    ------
    InputError : a file that cannot be read, or that does not hold what ``read`` looks for.
    """
    made = []
    for file in sorted(folder.rglob(f"{kind}-*.json"), key=lambda file: file.stem):
        try:
            made.append(read(json.loads(file.read_text(encoding="utf-8"))))
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise InputError(f"{file}: not a result of bench ({kind}): {error!r}") from error
    return made
