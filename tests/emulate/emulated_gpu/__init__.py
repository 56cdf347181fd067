"""The real CuPy on an emulated GPU, without an NVIDIA GPU, driver or toolkit.

CuPy's wheel and NVRTC are those that a GPU would have.  The CUDA runtime and driver under them are Python
(install.py): memory with known bounds (memory.py), streams that do nothing until something waits for it
(streams.py), kernels by the project's SIMT executor (kernels.py).  So a copy that nobody waits for, work on a
stream that orders nothing, an array that dies too early and a call that a capture forbids are found on any
computer, every time.

What it cannot show:

- time, of anything;
- real concurrency: of all the orders that CUDA allows it takes one, the latest moment for each operation;
- machine code (SASS): kernels run as compiled by g++, one thread after the other;
- libraries such as cuBLAS, and CuPy's own kernels: what needs them fails, and says so;
- Numba CUDA.

It is made for one wheel, which pyproject.toml pins in the extra ``emulate``.  A process is given it by its
environment: see sitecustomize.py.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
_WHEEL = "cupy-cuda13x"
_PROGRAMS = ("g++", "nm")


def missing() -> str | None:
    """What an emulated GPU needs that is not here; None if nothing is."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "Linux on x86-64"
    pin = _pin()
    if pin != _installed():
        return f"{pin}: make emulate"
    return next((program for program in _PROGRAMS if shutil.which(program) is None), None)


def _pin() -> str:
    """The one CuPy, as pip writes it."""
    extras = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (requirement,) = (r for r in extras["emulate"] if r.startswith(_WHEEL))
    return requirement.partition(";")[0].strip()


def _installed() -> str | None:
    try:
        return f"{_WHEEL}=={version(_WHEEL)}"
    except PackageNotFoundError:
        return None
