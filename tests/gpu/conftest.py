"""What only a machine with a GPU can show; on any other, every test here is skipped, for one reason."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the conftest.py above, which may be left out

from cgan_raw.devices import gpu

# The cases, checks and commands of the other tests are those of these too.
sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("kernels", "app", "golden")]

#: What a training run imports beside NumPy: import name -> the package that has it.
_COMMAND_NEEDS = {
    "PIL": "Pillow",
    "matplotlib": "matplotlib",
    "safetensors": "safetensors",
    "tqdm": "tqdm",
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skip from one place, so that the end of a run shows a line or two with their number.

    Tests that only launch Numba CUDA kernels have "numba" in their name, and those that launch both "both".
    """
    needed = ("cuda", "numba") if "both" in item.name else ("numba",) if "numba" in item.name else ("cuda",)
    for reason in filter(None, map(gpu.fault, needed)):
        pytest.skip(f"needs a GPU: {reason}")


@pytest.fixture(scope="session")
def command():
    """The training command, which needs packages that an iteration by itself does not."""
    missing = [package for name, package in _COMMAND_NEEDS.items() if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the training command needs packages that are not installed: {', '.join(missing)}")
