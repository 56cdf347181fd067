"""The line that installs what is missing, into the environment that runs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def how_to_install(extra: str) -> str:
    """What a user pastes to get an extra of this package: from the checkout, if the package runs from one."""
    in_checkout = (_CHECKOUT / "pyproject.toml").is_file()
    package = ["-e", f"{_from_here(_CHECKOUT)}[{extra}]"] if in_checkout else [f"cgan_raw[{extra}]"]
    quoted = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return quoted([*_pip(), "install", *package])


def _pip() -> list[str]:
    """That of this interpreter, by the shortest name it has."""
    python, found = Path(sys.executable), shutil.which("pip")
    if found is not None and Path(found).parent == python.parent:
        return ["pip"]
    near = _from_here(python)
    return [str(near if len(near.parts) > 1 else python), "-m", "pip"]  # a bare name is looked for on the path


def _from_here(path: Path) -> Path:
    """A path as it is named from where the user stands, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
