"""What is made of a trained generator, and what measures one, on the emulated GPU: the same as by SIMT."""

import json
import subprocess
import sys

import numpy as np
import pytest
from commands import ENVIRONMENT, PATIENCE, ROOT
from emulated_gpu import report
from emulated_runs import GPU, SIMT, at_once

#: Few images of each kind, which takes seconds instead of hours.
FEW = """
from cgan_raw.data import Dataset
from cgan_raw.evaluate import measure, standard

def few(load, count):
    dataset = load()
    return lambda folder: Dataset(dataset.images[:count], dataset.labels[:count])

measure.PER_DIGIT, measure._ROWS = 2, 50
standard.load_training, standard.load_test = few(standard.load_training, 150), few(standard.load_test, 100)
"""


@pytest.fixture
def folders(tmp_path, graph_run):
    """Two, each with the checkpoint of a run as graphs."""
    for name in ("simt", "gpu"):
        (tmp_path / name).mkdir()
        checkpoint = graph_run.folder / "run" / "checkpoint.safetensors"
        (tmp_path / name / checkpoint.name).write_bytes(checkpoint.read_bytes())
    return [tmp_path / "simt", tmp_path / "gpu"]


def on_both(folders, command, *flags, before=""):
    """The run on the GPU, in order; the one by SIMT."""
    arguments = ((*device, "checkpoint.safetensors", *flags) for device in (GPU, SIMT))
    gpu, simt = at_once(folders, command, *arguments, before=before)
    gpu.assert_in_order()
    return gpu.folder, simt.folder


@pytest.mark.parametrize("tf32", [(), ("--tf32",)], ids=["float32", "tf32"])
def test_samples(folders, tf32):
    gpu, simt = on_both(folders, "sample", *tf32, "--digits", "30", "--count", 1, "--npz", "samples.npz")
    actual, expected = np.load(gpu / "samples.npz"), np.load(simt / "samples.npz")
    np.testing.assert_array_equal(actual["labels"], [3, 0])
    np.testing.assert_array_equal(actual["images"], expected["images"])


def test_evaluation(folders):
    actual, expected = (
        json.loads((folder / "evaluation.json").read_text())
        for folder in on_both(folders, "evaluate", before=FEW)
    )
    assert (actual.pop("device"), expected.pop("device")) == ("gpu", "simt")
    assert actual == expected


def test_who_is_timed_beside_others(tmp_path, expected, monkeypatch):
    """It answers with the losses of the run: those of iterations 3 and 6."""
    monkeypatch.setitem(ENVIRONMENT, report.VARIABLE, str(tmp_path / "report"))
    asked = "".join(f"run {n}\n" for n in (2, 1, 2, 1))
    command = [sys.executable, "-m", "bench.serve", "ours_gpu", "2", "1"]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, input=asked, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["iteration"] for answer in answers] == [2, 3, 5, 6]
    assert [(a["iteration"], *a["losses"]) for a in answers[1::2]] == expected["losses"]
    kinds = {kind for kind, _ in report.read(tmp_path / "report")}
    assert "launch" in kinds
    assert kinds <= {"launch", "compiled"}
