"""What the steps of bench.gpu_check measure and leave behind, and which of it is no success."""

import dataclasses
import json
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from bench import gpu_steps
from bench.gpu import iterations, train
from bench.gpu_check import FAILED, PASSED, run
from bench.gpu_steps import Step
from cgan_raw.devices.choice import make_backend
from cgan_raw.training_state import TrainingState


def judge(folders, figures, code=0):
    """The result of a step that leaves what lies in the folders."""
    step = Step("step", ("-I", "-S", "-c", f"raise SystemExit({code})"), 20, figures=figures)
    return run([step], folders, budget=60)[0]


# Training ---------------------------------------------------------------------------------------------------


def line(iteration, d_loss, d_accuracy, g_loss):
    speed = {"images_per_second": 1e6, "seconds": iteration / 1e4}
    return {"iteration": iteration, "d_loss": d_loss, "d_accuracy": d_accuracy, "g_loss": g_loss} | speed


@pytest.fixture
def trained(folders):
    """The result of a training step, by its last lines of metrics."""

    def go(last, failed=(), end=20_000):
        (folders.work / "train").mkdir()
        numbers = range(end - 100 * (len(last) - 1), end + 1, 100)
        lines = [line(1, 0.7, 0.5, 0.7), *(line(n, *losses) for n, losses in zip(numbers, last, strict=True))]
        text = "".join(json.dumps(one) + "\n" for one in lines)
        (folders.work / "train" / "metrics.jsonl").write_text(text)
        (folders.work / "train.json").write_text(json.dumps({"failed": list(failed)}))
        return judge(folders, gpu_steps.trained("train"))

    return go


GOOD = (0.66, 0.58, 0.79)


@pytest.mark.parametrize(
    "means",
    [(0.664, 0.579, 0.786), (0.667, 0.580, 0.812), (0.659, 0.588, 0.833), (0.662, 0.590, 0.793)],
    ids=["seed 0", "seed 1", "seed 4", "seed 7"],
)
def test_losses_as_the_cpu_has_them_at_the_end_pass(trained, means):
    """These are the means of the last 20 lines of such runs."""
    result = trained([means] * 20)
    assert result.status == PASSED
    assert (
        result.note
        == "20,000 iterations in 2.00 s, at the end d_loss {:.3f}, d_accuracy {:.3f}, g_loss {:.3f}".format(
            *means
        )
    )
    assert result.figures["means_at_the_end"]["g_loss"] == pytest.approx(means[2])
    assert result.figures["last_line"]["seconds"] == 2


@pytest.mark.parametrize(
    "last",
    [
        [(0.0, 0.0, 0.0)] * 20,
        [(0.66, 0.58, 0.0)] * 20,
        [(0.02, 1.0, 5.0)] * 20,
        [(0.6931, 0.5, 0.6931)] * 20,
        [GOOD] * 19 + [(float("nan"), 0.58, 0.79)],
        [GOOD] * 19 + [(0.66, 0.58, float("inf"))],
        [GOOD] * 15 + [(0.0, 0.0, 0.0)] * 5,
    ],
    ids=["zeros", "zeros of G", "D has won", "D sees nothing", "NaN", "infinity", "zeros in the end"],
)
def test_losses_that_no_training_ends_with_fail(trained, last):
    result = trained(last)
    assert result.status == FAILED
    assert "at the end, not" in result.note


def test_first_losses_that_are_not_the_cpus_fail(trained):
    result = trained([GOOD] * 20, failed=["the first 20 losses are 1 from the CPU's"])
    assert result.status == FAILED
    assert result.note.endswith("; the first 20 losses are 1 from the CPU's")


def test_a_run_that_is_not_whole_has_not_passed(trained):
    result = trained([GOOD] * 20, end=19_900)
    assert result.status == FAILED
    assert result.note.startswith("it ended at iteration 19,900; 19,900 iterations in 1.99 s")


@pytest.fixture(scope="module")
def of_the_cpu():
    return train.losses(train.ITERATIONS)


@pytest.fixture
def compare(of_the_cpu, monkeypatch):
    """What the comparison says of losses, (20, 2)."""
    monkeypatch.setattr(train, "losses", lambda count: of_the_cpu)

    def go(found, tolerance=train.TOLERANCE):
        lines = [line(n, d_loss, 0.5, g_loss) for n, (d_loss, g_loss) in enumerate(found.tolist(), 1)]
        return train.compare(lines, tolerance)

    return go


def changed(losses, where, value):
    losses = losses.copy()
    losses[where] = value
    return losses


def test_the_first_losses_may_differ_by_rounding(compare, of_the_cpu):
    assert compare(of_the_cpu) == {"largest_difference": 0, "tolerance": train.TOLERANCE, "failed": []}
    for tolerance in (train.TOLERANCE, train.TF32_TOLERANCE):
        assert compare(of_the_cpu * (1 + 0.9 * tolerance), tolerance)["failed"] == []
        assert compare(of_the_cpu * (1 + 1.1 * tolerance), tolerance)["failed"]


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("where", [(0, 0), (19, 1)])
def test_a_first_loss_that_is_wrong_fails(compare, of_the_cpu, where, value):
    assert compare(changed(of_the_cpu, where, value), train.TF32_TOLERANCE)["failed"]


def test_first_losses_that_are_not_there_fail(compare, of_the_cpu):
    """Lines with a loss that is not finite are not read."""
    assert "1, 2, 3" in compare(of_the_cpu[:3])["failed"][0]
    assert compare(of_the_cpu[:0])["failed"]


@pytest.fixture
def run_it(monkeypatch, tmp_path, of_the_cpu):
    """Run bench.gpu.train with a command that is made up; its exit code, and what the command was given.

    Parameters
    ----------
    spoil : a factor of the losses.
    codes : exit codes of the command, the first time and the second.
    """
    monkeypatch.setattr(train, "losses", lambda count: of_the_cpu)

    def go(*flags, spoil=1.0, codes=(0, 0)):
        folder, given = tmp_path / "run", []

        def command(arguments):
            given.append(arguments)
            (folder / "samples").mkdir(parents=True, exist_ok=True)
            number = arguments[arguments.index("--iterations") + 1]
            (folder / "samples" / f"{int(number):06d}.png").write_text(f"grid {number}")
            first = [line(n, d * spoil, 0.5, g * spoil) for n, (d, g) in enumerate(of_the_cpu.tolist(), 1)]
            (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in first))
            return codes[len(given) - 1]

        monkeypatch.setattr(train.train, "main", command)
        return train.main(tmp_path / "train.json", folder, tmp_path / "samples.png", *flags), given

    return go


def test_the_run_is_logged_closely_at_first_and_goes_on_to_the_end(run_it, tmp_path):
    code, (first, rest) = run_it("--tf32")
    folder, start = str(tmp_path / "run"), ["--device", "gpu", "--tf32"]
    assert code == 0
    assert first == [*start, "--seed", "4", "--iterations", "20", "--log-every", "1", "--out", folder]
    assert rest == [*start, "--resume", folder, "--iterations", "20000", "--log-every", "100"]
    assert (tmp_path / "samples.png").read_text() == "grid 20000"
    assert json.loads((tmp_path / "train.json").read_text())["tolerance"] == train.TF32_TOLERANCE


def test_wrong_first_losses_fail_the_run_which_goes_on_nevertheless(run_it, tmp_path):
    code, given = run_it(spoil=1.001)
    assert (code, len(given)) == (1, 2)
    assert json.loads((tmp_path / "train.json").read_text())["failed"]
    assert run_it("--tf32", spoil=1.001)[0] == 0


@pytest.mark.parametrize("codes", [(2, 0), (0, 130)])
def test_a_command_that_fails_is_no_success(run_it, codes):
    assert run_it(codes=codes)[0] == max(codes)


def test_the_real_command_on_the_cpu_has_the_cpus_losses(monkeypatch, tmp_path):
    """The numbers that a run logs, at the seed and with the settings of the comparison; and it is resumed."""
    monkeypatch.setattr(train, "_DEVICE", ("--device", "cpu", "--layered", "--quiet"))
    monkeypatch.setattr(train, "TrainConfig", lambda: SimpleNamespace(iterations=22, log_every=100))
    places = [tmp_path / name for name in ("train.json", "run", "samples.png")]
    assert train.main(*places) == 0
    assert json.loads(places[0].read_text())["largest_difference"] == 0
    last = (places[1] / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["iteration"] == 22
    assert places[2].read_bytes().startswith(b"\x89PNG")


# Iterations a second ----------------------------------------------------------------------------------------


def test_what_fails_of_the_four_costs_no_other_and_each_is_kept_at_once(monkeypatch, tmp_path, folders):
    """Graphs come first, and what is launched one by one is few and has a limit."""
    file, before, asked = folders.work / "iterations.json", [], []

    def measure(tf32, graph, plan):
        before.append(list(json.loads(file.read_text())) if file.exists() else None)
        asked.append((tf32, graph, plan.rounds * plan.iterations))
        if tf32 and graph:
            raise OSError("no\nlibrary")
        return {"iterations_per_second": 2_000.0}

    monkeypatch.setattr(iterations, "measure", measure)
    assert iterations.main(file) == 1
    assert asked == [(False, True, 20_000), (True, True, 20_000), (False, False, 500), (True, False, 500)]
    assert iterations._EAGER.seconds <= 5
    first = ["note", "failed", "graph float32"]
    assert before == [None, first, first, [*first, "eager float32"]]
    result = judge(folders, gpu_steps.measured("iterations"), code=1)
    assert (result.status, result.figures["failed"]) == (FAILED, ["graph TF32: OSError: no library"])
    assert "graph float32 2,000/s, eager float32 2,000/s, eager TF32 2,000/s" in result.note


@pytest.fixture
def measure(monkeypatch):
    """Measure on the CPU, as a backend with a stream."""
    cpu = make_backend("cpu")

    @dataclasses.dataclass(frozen=True)
    class Streamed(type(cpu)):
        stream: object = None

    def go(plan, spoil=lambda losses: losses):
        fields = {field.name: getattr(cpu, field.name) for field in dataclasses.fields(cpu)}
        monkeypatch.setattr(iterations, "CudaBackend", Streamed)
        monkeypatch.setattr(iterations, "make_backend", lambda *_, **__: Streamed(**fields, stream=Mock()))
        read = TrainingState.read_losses
        with monkeypatch.context() as patch:
            patch.setattr(TrainingState, "read_losses", lambda self, *which: spoil(read(self, *which)))
            return iterations.measure(False, True, plan)

    return go


def test_rounds_end_when_their_time_is_over(measure):
    found = measure(iterations.Rounds(warm=1, rounds=3, iterations=2, seconds=60))
    assert len(found["seconds_of_rounds"]) == 3
    assert found["iterations_per_second"] == 2 / np.median(found["seconds_of_rounds"])
    assert len(measure(iterations.Rounds(1, 3, 2, seconds=0))["seconds_of_rounds"]) == 1


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_losses_of_zero_are_no_iterations(measure, value):
    with pytest.raises(RuntimeError, match="with the losses"):
        measure(iterations.Rounds(1, 1, 1, 1), lambda losses: losses * value)


# Implementations and kernels --------------------------------------------------------------------------------


def compared(folders, **dropped):
    results = {
        "rounds": 3,
        "seconds_per_iteration": {"ours_gpu": [3e-4, 5e-4, 4e-4]},
        "skipped": {"jax_gpu": "jax is not installed"} | dropped,
        "dropped": list(dropped),
    }
    (folders.out / "iteration-gpu.json").write_text(json.dumps(results))
    return judge(folders, gpu_steps.compared)


def test_a_peer_that_is_dropped_is_told_and_no_failure_of_ours(folders):
    result = compared(folders, torch_gpu="no answer after 60 s")
    assert result.status == PASSED
    assert result.note == "3 rounds: ours_gpu 0.400 ms; torch_gpu: no answer after 60 s"
    assert result.figures["milliseconds"] == {"ours_gpu": pytest.approx(0.4)}
    assert result.figures["skipped"]["jax_gpu"] == "jax is not installed"


def test_ours_that_is_dropped_is_a_failure(folders):
    result = compared(folders, ours_gpu_tf32="losses [0.0, 0.0, 0.0] by iteration 500")
    assert result.status == FAILED
    assert result.note.endswith("; ours_gpu_tf32: losses [0.0, 0.0, 0.0] by iteration 500")


def timed(folders, untimed):
    row = {"op": "adam_step", "sizes": {"n": 7}, "by": "cuda"}
    results = {
        "rows": [row] * 3,
        "untimed": [row | {"reason": reason} for reason in untimed],
        "skipped": {"cuBLAS": "ImportError: libcublas"},
        "empty_seconds": 5e-6,
    }
    (folders.out / "kernels-gpu.json").write_text(json.dumps(results))
    return judge(folders, gpu_steps.timed)


def test_kernels_that_are_not_reached_have_not_failed_and_those_that_fail_have(folders):
    assert timed(folders, []).status == PASSED
    note = "3 of 4 kernels timed, 0 failed; nothing takes 5.0 us; cuBLAS skipped: ImportError: libcublas"
    assert timed(folders, [None]).note == note
    result = timed(folders, [None, "AssertionError: y"])
    assert result.status == FAILED
    assert result.figures["failed"] == ["adam_step {'n': 7} cuda: AssertionError: y"]


def test_a_device_that_is_not_there_has_no_figures(folders):
    assert judge(folders, gpu_steps.measured("device"), code=1).status == FAILED
    assert judge(folders, gpu_steps.measured("device")).status == FAILED
