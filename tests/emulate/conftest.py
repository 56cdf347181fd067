"""Tests that run CuPy on an emulated GPU; where there is none, they are skipped for one reason."""

import sys
from pathlib import Path

import pytest
from emulated_gpu import hook, missing, report

# How commands are run, and what NVRTC is told, is that of other tests.
sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("app", "compile")]

from emulated_runs import FLAGS, GPU, OFTEN, SHORT, SIMT, at_once

_REASON = missing() or (None if hook.registered() else "its folder on PYTHONPATH: make emulate")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if _REASON is not None:
        pytest.skip(f"the emulated GPU needs {_REASON}")


def pytest_terminal_summary(terminalreporter):
    if _REASON is None:
        terminalreporter.write_line(
            "The GPU was emulated: this says nothing of time, real concurrency, machine code (SASS) or cuBLAS."
        )


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A function: what the emulated GPU has reported in this test, by this process, of one kind."""
    path = tmp_path / "report"
    monkeypatch.setenv(report.VARIABLE, str(path))
    return lambda kind: [text for k, text in report.read(path) if k == kind]


@pytest.fixture
def cupy():
    """CuPy on an idle device that has never failed, where each array is an allocation of its own."""
    import cupy
    from emulated_gpu.device import STREAMS

    cupy.cuda.set_pinned_memory_allocator(None)
    with cupy.cuda.using_allocator(None):
        yield cupy
    cupy.cuda.set_pinned_memory_allocator(cupy.get_default_pinned_memory_pool().malloc)
    STREAMS.reset()


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The same training by SIMT, as graphs, and kernel by kernel."""
    folders = [tmp_path_factory.mktemp(name) for name in ("simt", "graph", "eager")]
    devices = (SIMT, GPU, (*GPU, "--no-graph"))
    return at_once(folders, "train", *((*device, *FLAGS, *OFTEN) for device in devices), before=SHORT)


@pytest.fixture(scope="session")
def expected(runs):
    """What the run by SIMT has left."""
    return runs[0].files()


@pytest.fixture(scope="session")
def graph_run(runs):
    return runs[1]


@pytest.fixture(scope="session")
def eager_run(runs):
    return runs[2]
