"""What tests of ranks share: mpiexec, and where another room's tools lie."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / room) for room in ("app", "model")]

from many import MPIEXEC


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if MPIEXEC is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("ranks need mpi4py and an mpiexec: pip install '.[dev]'")
