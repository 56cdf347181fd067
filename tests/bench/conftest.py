"""How tests run steps of bench.gpu_check."""

import subprocess
import time

import pytest

from bench import gpu_check
from bench.gpu_check import run
from bench.gpu_steps import Folders


@pytest.fixture
def folders(tmp_path):
    made = Folders(tmp_path / "work", tmp_path / "out")
    for folder in made:
        folder.mkdir()
    return made


@pytest.fixture
def do(folders, monkeypatch):
    """Run steps; their results by name.  A step whose time is over has a second to end, after each signal."""
    monkeypatch.setattr(gpu_check, "_ENDING", [(number, 1) for number, _ in gpu_check._ENDING])

    def go(*steps, budget=60):
        results = run(steps, folders, budget)
        assert [result.name for result in results] == [step.name for step in steps]
        return {result.name: result for result in results}

    return go


@pytest.fixture
def begin(folders, monkeypatch):
    """Code for a step whose time is over as soon as it has come to it; so no test depends on how long an
    interpreter takes to start."""
    begun, wait, asked = folders.work / "begun", subprocess.Popen.wait, set()

    def until_begun(process, timeout=None):
        if process.pid in asked:
            return wait(process, timeout)
        asked.add(process.pid)
        for _ in range(3_000):
            if begun.exists():
                raise subprocess.TimeoutExpired(process.args, timeout)
            time.sleep(0.01)
        raise AssertionError("the step did not begin")

    monkeypatch.setattr(subprocess.Popen, "wait", until_begun)
    return f"import time; open({str(begun)!r}, 'w').close(); time.sleep(60)"
