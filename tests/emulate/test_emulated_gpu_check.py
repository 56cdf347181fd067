"""The steps of bench.gpu_check on the emulated GPU, with few iterations and few kernels.

What they ask of the GPU is right, and so is what they compute; none of their times means anything.
"""

import json
import sys

import pytest
from commands import ENVIRONMENT, ROOT, finish
from emulated_gpu import report

_PATIENCE = 300  # seconds

#: A step as gpu_check runs it, less most of its work.
STEP = """
import sys
from pathlib import Path
from bench.gpu import {name} as step
{few}
sys.exit(step.main(*map(Path, sys.argv[1:])))
"""

TRAIN = """
from types import SimpleNamespace
step.ITERATIONS = 2
step.TrainConfig = lambda: SimpleNamespace(iterations=3, log_every=1)
"""

ITERATIONS = """
from functools import partial
from cgan_raw.kernels.gpu import Recorder
Recorder.LONG = 2
step._GRAPH, step._EAGER = step.Rounds(3, 1, 2, 60), step.Rounds(1, 1, 1, 60)
step._CONFIGURATIONS = {name: how for name, how in step._CONFIGURATIONS.items() if how[0] is False}
step.TrainConfig = partial(step.TrainConfig, batch_size=2)
"""

KERNELS = """
from bench import device, kernels
device._GPU_BUFFER = 2**16
kernels.ROUNDS = step.ROUNDS = 2
step.cases = lambda: kernels.cases("bce", "bookkeeping")
step.ladder = lambda place: []  # products too large for a CPU
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs Python in the checkout and asserts that nothing undefined was asked of the GPU."""
    told = tmp_path / "report"
    monkeypatch.setitem(ENVIRONMENT, report.VARIABLE, str(told))
    monkeypatch.setitem(ENVIRONMENT, "OUT", str(tmp_path))

    def run_python(*arguments):
        done = finish([sys.executable, *map(str, arguments)], _PATIENCE, cwd=ROOT, env=ENVIRONMENT)
        assert done.returncode == 0, done.stdout
        assert {kind for kind, _ in report.read(told)} <= {"launch", "compiled"}
        return done.stdout

    return run_python


def test_device(run, tmp_path):
    printed = run("-m", "bench.gpu_check", "device")
    assert "device: passed, emulated GPU" in printed
    figures = json.loads((tmp_path / "figures.json").read_text())["steps"]["device"]["figures"]
    assert figures["compute_capability"] == "9.0"


def test_train(run, tmp_path):
    """The first losses are the CPU's; then it goes on from its checkpoint."""
    run("-c", STEP.format(name="train", few=TRAIN), *(tmp_path / n for n in ("train.json", "run", "grid.png")))
    found = json.loads((tmp_path / "train.json").read_text())
    assert found["failed"] == []
    assert 0 < found["largest_difference"] < found["tolerance"]
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_iterations(run, tmp_path):
    run("-c", STEP.format(name="iterations", few=ITERATIONS), tmp_path / "iterations.json")
    found = json.loads((tmp_path / "iterations.json").read_text())
    assert found["failed"] == []
    assert found["graph float32"]["last_losses"] != found["eager float32"]["last_losses"], "after 5 and after 2"


def test_kernels(run, tmp_path):
    """Each is right; cuBLAS is not there."""
    run("-c", STEP.format(name="kernels", few=KERNELS), tmp_path / "kernels.json")
    found = json.loads((tmp_path / "kernels.json").read_text())
    assert found["untimed"] == []
    assert {row["op"] for row in found["rows"]} == {
        "bce_forward",
        "bce_backward",
        "counters_advance",
        "losses_record",
    }
    assert list(found["peaks"]["gpu"]["flop"]) == []
