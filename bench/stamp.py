"""Where and with what something was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from cgan_raw.backends import make_backend

_PACKAGES = ("numpy", "numba", "torch", "jax")
_GENERATED = (":!bench/results", ":!README.md")  # what measuring and reporting themselves change


def stamp(checkout: Path) -> dict:
    """Device, cores, versions (None: not installed), time, and the commit with whether files differ from it."""
    commit = _git(checkout, "rev-parse", "HEAD")
    changes = _git(checkout, "status", "--porcelain", "--", ".", *_GENERATED)
    return {
        "device": make_backend("cpu").description,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),  # processes that want a core, over the last minute
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(checkout: Path, *arguments: str) -> str | None:
    """What git answers, or None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", checkout, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
