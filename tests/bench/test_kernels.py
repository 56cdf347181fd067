"""The benchmark of the kernels: what it times, that a wrong result is refused, and what it prints."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from bench import device, experts, kernels, tables
from bench.device import Peaks, places
from bench.gpu.kernels import time_each
from bench.results import CHECKOUT
from cgan_raw.calls import network_calls, uncalled
from cgan_raw.devices import gpu
from cgan_raw.kernels.dispatch import LaunchedOp
from cgan_raw.kernels.registry import ops
from cgan_raw.testing import make_arguments

needs_plugin = pytest.mark.skipif(
    importlib.util.find_spec("pytest_benchmark") is None, reason="pytest-benchmark is not installed"
)
ROOFS = {"cpu": Peaks({"float32": 1e11, "TF32": 4e11}, 2e10)}


def case(name, **sizes):
    """The first case of an op on the CPU whose sizes are these."""
    found = (c for c in kernels.cases() if c.op.name == name and c.place.name == "cpu")
    return next(c for c in found if sizes.items() <= c.sizes.items())


def spoilt(case, change):
    """The same, but what it computes is changed afterwards."""

    def function(*arguments):
        case.function(*arguments)
        change(*arguments)

    return dataclasses.replace(case, function=function)


def test_every_kernel_and_shape_has_a_row_for_each_place():
    labels = {}
    for one in kernels.cases():
        shape = one.op.name, tuple(one.sizes.items())
        labels.setdefault(shape, []).append(one.label)
    here = [backend for place in places() for backend in kernels.backends(place)]
    assert set(labels) == {call for call in network_calls() if any(map(ops()[call.op].runs_on, here))}
    for (name, _), found in labels.items():
        expected = [
            " ".join(filter(None, (k.backend, k.version))) for k in ops()[name].kernels if k.backend in here
        ]
        assert [label for label in found if label.split()[0] in here] == expected
        product = name.startswith("dense_") and name != "dense_backward_bias"
        assert ("NumPy" in found) == product


@pytest.mark.parametrize("backend", kernels.backends("gpu"))
def test_the_version_that_counts_is_the_one_that_training_launches(backend):
    launched = []
    module = SimpleNamespace(launch=lambda name, *rest: launched.append(name))
    modules = Mock(backend=backend, **{"of.return_value": module})
    for one in (one for one in kernels.cases() if one.label == "cpu" and one.op.runs_on(backend)):
        op = LaunchedOp(one.op, modules)
        op(*make_arguments(one.op, one.sizes, np.random.default_rng(0)).values())
        versions = [kernel.version for kernel in one.op.kernels if kernel.backend == backend]
        assert one.op.function(one.op.launched(versions, one.sizes)) == launched.pop()


@pytest.mark.parametrize(
    ("one", "change"),
    [
        (case("dense_forward", K=100), lambda y, x, w, b: y.__setitem__((-1, -1), y[-1, -1] * 1.001)),
        (case("dense_forward", K=100), lambda y, x, w, b: y.__setitem__((0, 0), np.nan)),
        (case("dense_backward_bias", N=784), lambda db, dy: db.__setitem__(-1, 0)),
        (case("adam_step"), lambda p, *rest: p.__isub__(1e-3)),
        (case("counters_advance"), lambda counters, increments: counters.__iadd__(1)),
    ],
    ids=["an element", "a NaN", "a zero", "an update", "a count"],
)
def test_a_wrong_result_is_refused(monkeypatch, one, change):
    monkeypatch.setattr(kernels, "ROUNDS", 1)
    assert kernels.measure(one)["seconds"]["median"] > 0
    with pytest.raises(AssertionError, match=one.op.name):
        kernels.measure(spoilt(one, change))


def test_a_kernel_that_does_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(kernels, "ROUNDS", 1)
    for name in ("leaky_relu_forward", "adam_step"):
        with pytest.raises(AssertionError, match=name):
            kernels.measure(dataclasses.replace(case(name), function=lambda *arguments: None))


def test_the_roof_is_what_takes_longer():
    peaks = ROOFS["cpu"]
    assert peaks.seconds(10**11, 10, "float32") == 1
    assert peaks.seconds(10**11, 10, "TF32") == 0.25
    assert peaks.seconds(10, 2 * 10**10, "float32") == 1
    assert Peaks({"float32": 1e11}, 2e10).seconds(10, 2 * 10**10, "TF32") is None


def row(**changes):
    times = {"median": 20e-6, "low": 18e-6, "high": 25e-6}
    return {
        "op": "dense_forward", "sizes": {"M": 32, "N": 8}, "by": "cpu", "place": "cpu", "precision": "float32",
        "flop": 10**6, "bytes": 10**5, "seconds": times, "host_seconds": times,
    } | changes  # fmt: skip


def test_a_table_names_op_and_shape_once_and_knows_two_clocks():
    rows = [row(), row(by="NumPy", seconds={"median": 10e-6, "low": 9e-6, "high": 11e-6})]
    heads, lines = tables.kernel_table(rows, ROOFS)
    assert heads[-1] == "host us"
    assert lines[0] == ["dense_forward", "M=32 N=8", "cpu", "20.0", "18.0-25.0", "50.0", "5.0", "50%", "20.0"]
    assert lines[1][:4] == ["", "", "NumPy", "10.0"]
    assert lines[1][-2:] == ["100%", "20.0"]
    assert "host us" not in tables.kernel_table([row()], ROOFS)[0]
    text = tables.plain(heads, lines).splitlines()
    assert len(text) == 3
    assert text[1].index("cpu") == text[2].index("NumPy")


def raises(error):
    def function(*arguments):
        raise error

    return function


def test_a_case_that_fails_costs_no_other_case(monkeypatch):
    """Whatever it fails of; and what is kept after each says what is timed and what is not."""
    monkeypatch.setattr(kernels, "ROUNDS", 1)
    good = case("leaky_relu_forward")
    bad = dataclasses.replace(good, function=raises(OSError("cuda.so\nis gone")), label="bad")
    wrong = dataclasses.replace(good, function=lambda *arguments: None, label="wrong")
    kept = []
    assert time_each([bad, wrong, good], lambda *both: kept.append(both)) == 1
    assert [(len(rows), len(untimed)) for rows, untimed in kept] == [(0, 3), (0, 3), (1, 2)]
    reasons = {row["by"]: row["reason"] for row in kept[0][1]}
    assert reasons == {"bad": "OSError: cuda.so is gone", "wrong": None, "cpu": None}
    (row,), untimed = kept[-1]
    assert (row["by"], row["seconds"]["median"] > 0) == ("cpu", True)
    assert [row["by"] for row in untimed] == ["bad", "wrong"]
    assert "leaky_relu_forward" in untimed[1]["reason"]
    assert "seconds" not in untimed[0]
    assert time_each([good], lambda *both: None) == 0


def test_ctrl_c_is_no_failure_of_a_case(monkeypatch):
    monkeypatch.setattr(kernels, "ROUNDS", 1)
    stopped = dataclasses.replace(case("leaky_relu_forward"), function=raises(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        time_each([stopped], lambda *both: None)


def test_what_was_not_timed_is_in_the_results_in_the_registrys_order():
    untimed = [kernels.describe(case(name)) | {"reason": None} for name in ("dense_forward", "adam_step")]
    results = kernels.kernel_results([], ROOFS, {}, untimed)
    assert [row["op"] for row in results["untimed"]] == ["adam_step", "dense_forward"]
    assert results["skipped"] == {}


class Place:
    """A GPU on which only what is given works; its arrays are NumPy's."""

    name = "gpu"

    def __init__(self):
        self.stream = Mock()

    array = staticmethod(np.array)


@pytest.mark.parametrize("fault", ["libcublas.so.13: no such file", None])
def test_without_cublas_its_rows_are_missing_and_no_others(monkeypatch, fault):
    """Where the library is missing, CuPy says so when it is called, or when it is imported."""
    place = Place()
    multiply = raises(RuntimeError(fault)) if fault else np.dot
    monkeypatch.setattr(experts, "cublas", lambda precision, stream: multiply)
    monkeypatch.setattr(experts, "_torch_fault", lambda: "torch is not installed")
    labels = [expert.label for expert in experts.experts(ops()["dense_forward"], place)]
    skipped = experts.skipped_experts(place)
    if fault is None:
        assert (labels, skipped) == (
            ["cuBLAS", "cuBLAS TF32"],
            {"torch.matmul": "torch is not installed"},
        )
    else:
        assert labels == []
        assert skipped["cuBLAS"] == f"RuntimeError: {fault}"


def test_an_import_of_cublas_that_fails_is_its_fault_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy._core", None)
    assert experts.cublas_fault(Place()).startswith("ModuleNotFoundError: ")


def test_without_cublas_the_gpu_has_a_roof_of_bytes_alone(monkeypatch):
    place = object.__new__(device.Gpu)
    place.stream, place._cupy = Mock(), Mock()
    monkeypatch.setattr(device.Gpu, "device_times", lambda self, run, rounds: [0.5, 0.25])
    monkeypatch.setattr(experts, "cublas_fault", lambda place: "it is not there")
    assert place.peaks == Peaks({}, 2 * device._GPU_BUFFER / 0.25)


def test_the_peaks_of_this_machine_are_those_of_a_machine(monkeypatch):
    monkeypatch.setattr(device, "_CPU_PRODUCT", 256)
    monkeypatch.setattr(device, "_CPU_BUFFER_CACHES", 0.1)
    peaks = device.Cpu().peaks
    assert 1e9 < peaks.flop["float32"] < 1e14
    assert 1e9 < peaks.bytes < 1e13


PROBE = """
import os, sys

def pytest_collection_finish(session):
    print("NumPy", "numpy" in sys.modules, "threads", os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@needs_plugin
def test_the_tests_do_not_take_the_cores_from_blas(tmp_path):
    """Bare ``pytest`` reads the tests' conftest.py too."""
    (tmp_path / "probe.py").write_text(PROBE)
    command = (sys.executable, "-m", "pytest", "--benchmark-only", "--collect-only", "-q", "-p", "probe")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert "NumPy True threads None" in done.stdout, done.stdout + done.stderr


@needs_plugin
def test_pytest_prints_a_table_for_each_folder_and_keeps_no_half_of_the_results(tmp_path):
    chosen = ("-k", "random_integers or bce_forward or on_a_gpu")
    command = (sys.executable, "-m", "pytest", "bench", "--benchmark-only", "-p", "no:cacheprovider", *chosen)
    done = subprocess.run(
        (*command, "--keep", tmp_path), cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = "roofline of the cpu, measured", f"not timed, since no network calls them: {', '.join(uncalled())}"
    for words in ("- bce -", "- philox -", "random_integers  n=32", *said):
        assert words in done.stdout
    assert "Name (time in" not in done.stdout  # pytest-benchmark's own
    assert ("CuPy" in done.stdout) == (gpu.fault() is not None)
    assert "not kept: 2 of" in done.stdout
    assert list(tmp_path.iterdir()) == []
