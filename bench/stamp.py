"""Where and with what something was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from cgan_raw.kernels import instructions

from .avx2 import NARROWED
from .device import places

#: Name -> distributions that have it, of which one is installed at most.
_PACKAGES = {
    "numpy": ("numpy",),
    "numba": ("numba",),
    "numba-cuda": ("numba-cuda",),
    "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
    "torch": ("torch",),
    "jax": ("jax",),
}
_GENERATED = (":!bench/results", ":!docs/bench", ":!README.md")  # what measuring and reporting change


def stamp(checkout: Path) -> dict:
    """Devices, vectors, versions (None: not installed), time, the commit and whether files differ from it."""
    commit = _git(checkout, "rev-parse", "HEAD")
    changes = _git(checkout, "status", "--porcelain", "--", ".", *_GENERATED)
    return {
        "device": places()["cpu"].description,
        "gpu": places()["gpu"].description if "gpu" in places() else None,
        "cores": os.cpu_count(),
        "instructions": instructions.NAME,  # vectors of the CPU's code
        "narrowed": NARROWED,  # the machine has more than that
        "load": round(os.getloadavg()[0], 2),  # processes that want a core, over the last minute
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: _version(distributions) for name, distributions in _PACKAGES.items()},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
    }


def _version(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return None


def _git(checkout: Path, *arguments: str) -> str | None:
    """What git answers, or None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", checkout, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
