"""What a resumed run remembers: its settings, its data, its time, and which pictures are its own."""

import dataclasses
import itertools
import json
import shutil
from types import SimpleNamespace

import pytest
from commands import assert_failed, assert_refused, call, idx, losses, metrics, random_data, write_data
from PIL import Image

from cgan_raw.checkpoint import FILE_NAME, load, save
from cgan_raw.devices import choice as backends
from cgan_raw.devices.backend import Backend
from cgan_raw.train import __main__ as train
from cgan_raw.train import trainer


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run of 60 iterations."""
    return shutil.copytree(finished[0], tmp_path / "run")


def settings(run) -> dict:
    return json.loads((run / "config.json").read_text())


def change_settings(run, **changes) -> None:
    (run / "config.json").write_text(json.dumps(settings(run) | changes))


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# Settings -----------------------------------------------------------------------------------------------------


def test_config_says_what_the_run_is_to_become(run):
    assert call(train.main, "--resume", run, "--iterations", 62, "--log-every", 3).code == 0
    found = settings(run)
    assert (found["iterations"], found["log_every"], found["sample_every"]) == (62, 3, 20)
    assert found == settings(run) | load(run / FILE_NAME).config.asdict()


def test_what_was_asked_for_last_outlives_a_kill_before_the_next_checkpoint(run, monkeypatch):
    def killed(*_):
        raise InterruptedError("as by kill -9")

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "train", killed)
        assert call(train.main, "--resume", run, "--iterations", 64, "--log-every", 2).code == 1
    assert load(run / FILE_NAME).config.iterations == 60
    assert call(train.main, "--resume", run).code == 0
    assert load(run / FILE_NAME).iteration == 64
    assert [line["iteration"] for line in metrics(run)][-3:] == [60, 62, 64]


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_lost_or_damaged_config_does_no_harm(content, run):
    expected = settings(run)
    (run / "config.json").unlink()
    if content is not None:
        (run / "config.json").write_text(content)
    assert call(train.main, "--resume", run, "--device", "cpu").code == 0
    assert settings(run) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("iterations", 0), ("iterations", "many"), ("iterations", 59), ("log_every", None), ("data", 5)],
)
def test_senseless_setting_is_refused_and_nothing_touched(name, value, run):
    change_settings(run, **{name: value})
    before = snapshot(run)
    assert_refused(call(train.main, "--resume", run), f"--{name.replace('_', '-')}", run, value)
    assert snapshot(run) == before


def test_settings_that_results_depend_on_are_those_of_the_checkpoint(run):
    change_settings(run, seed=8, batch_size=5)
    assert call(train.main, "--resume", run, "--iterations", 61).code == 0
    assert (settings(run)["seed"], settings(run)["batch_size"]) == (7, 4)


# Data ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def other_data(tmp_path):
    """The same images with other labels."""
    images, labels = random_data(64)
    return write_data(tmp_path / "other", idx(images), idx(9 - labels))


def test_other_data_are_refused_and_nothing_touched(run, other_data, data):
    before = snapshot(run)
    assert_refused(call(train.main, "--resume", run, "--data", other_data, "--iterations", 61), other_data, run)
    assert snapshot(run) == before
    assert call(train.main, "--resume", run, "--data", data, "--iterations", 61).code == 0


def test_data_that_have_changed_where_they_lie_are_refused(small, tmp_path):
    data = write_data(tmp_path / "data", *map(idx, random_data(64)))
    folder = tmp_path / "run"
    flags = ("--device", "cpu", "--batch-size", 4, "--data", data)
    assert call(train.main, *flags, "--iterations", 1, "--out", folder).code == 0
    images, labels = random_data(64)
    images[63, 27, 27] ^= 1
    write_data(data, idx(images), idx(labels))
    assert_refused(call(train.main, "--resume", folder, "--iterations", 2), data, folder)


def test_same_data_in_another_form_are_the_same(run, tmp_path):
    packed = write_data(tmp_path / "packed", *map(idx, random_data(64)), ".gz")
    assert call(train.main, "--resume", run, "--data", packed, "--iterations", 61).code == 0


def test_other_data_are_refused_though_config_json_is_lost(run, other_data):
    """The checkpoint has the digest too, and may lie somewhere else."""
    (run / "config.json").unlink()
    assert_refused(call(train.main, "--resume", run, "--data", other_data, "--iterations", 61), other_data, run)


def test_run_from_before_digests_goes_on_and_has_one(run):
    digest = settings(run)["data_digest"]
    (run / "config.json").write_text(json.dumps({k: v for k, v in settings(run).items() if k != "data_digest"}))
    found = load(run / FILE_NAME)
    assert found.data_digest == digest
    save(run / FILE_NAME, dataclasses.replace(found, data_digest=None))
    assert call(train.main, "--resume", run, "--iterations", 61).code == 0
    assert settings(run)["data_digest"] == digest


# Time ---------------------------------------------------------------------------------------------------------


def clock(monkeypatch, *, step: float) -> None:
    """What the trainer takes for the time goes on by a step at each look."""
    ticks = itertools.count()
    monkeypatch.setattr(trainer, "time", SimpleNamespace(perf_counter=lambda: 1000 + step * next(ticks)))


def times(run):
    return [(line["iteration"], line["seconds"], line["images_per_second"]) for line in metrics(run)]


def test_seconds_go_on_and_images_are_those_since_the_last_line(small, tmp_path, monkeypatch):
    """Batches of 4, and a look at the clock at the start and at each line."""
    folder = tmp_path / "run"
    clock(monkeypatch, step=2)
    assert call(train.main, *small, "--iterations", 12, "--log-every", 5, "--out", folder).code == 0
    expected = [(5, 2, 10), (10, 4, 10), (12, 6, 4)]
    assert times(folder) == expected
    clock(monkeypatch, step=0.5)
    assert call(train.main, "--resume", folder, "--iterations", 20).code == 0
    assert times(folder) == [*expected, (15, 6.5, 24), (20, 7, 40)]


def test_clock_that_stands_still_stops_no_run(small, tmp_path, monkeypatch):
    clock(monkeypatch, step=0)
    result = call(train.main, *small, "--iterations", 2, "--log-every", 1, "--out", tmp_path / "run")
    assert (result.code, result.err) == (0, "")
    assert all(line["seconds"] == 0 and line["images_per_second"] > 0 for line in metrics(tmp_path / "run"))


# Losses and pictures ------------------------------------------------------------------------------------------


def test_losses_are_those_of_their_iteration_however_few_are_kept(small, finished, tmp_path, monkeypatch):
    """After the ring has come round many times."""
    monkeypatch.setattr(trainer, "_HISTORY", 4)
    flags = ("--iterations", 60, "--log-every", 5, "--seed", 7, "--out", tmp_path / "run")
    assert call(train.main, *small, *flags).code == 0
    assert losses(tmp_path / "run") == losses(finished[0])


@pytest.mark.parametrize("first_bad", [1, 8, 9, 13, 40])
def test_divergence_is_found_long_before_anything_is_due(first_bad, small, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_HISTORY", 8)
    make, calls = trainer.make_iteration, itertools.count(1)

    def spoiled(*arguments):
        iteration = make(*arguments)
        real = iteration.run

        def run():
            if next(calls) >= first_bad:
                iteration.parameters["discriminator"].flat[...] = float("nan")
            real()

        iteration.run = run
        return iteration

    monkeypatch.setattr(trainer, "make_iteration", spoiled)
    monkeypatch.setattr(backends.CpuBackend, "repeat", Backend.repeat)  # calls it each time, without a record
    rare = [f"--{what}-every=500" for what in ("log", "sample", "checkpoint")]
    result = call(train.main, *small, *rare, "--iterations", 500, "--out", tmp_path / "run")
    assert_failed(result, f"a loss of iteration {first_bad} is not finite")
    assert next(calls) <= first_bad + 9


def test_film_ends_with_the_run(run):
    """Pictures from beyond its last iteration are of before it was resumed."""
    Image.new("L", (500, 250), 255).save(run / "samples" / "000080.png")
    Image.new("L", (500, 250), 255).save(run / "samples" / "mine.png")
    before = (run / "samples.gif").read_bytes()
    assert call(train.main, "--resume", run, "--quiet").code == 0
    assert (run / "samples.gif").read_bytes() == before
