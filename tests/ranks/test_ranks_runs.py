"""Runs of several ranks by the command: one writes, whatever stops one stops all, and any number goes on."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from commands import call, idx, losses, random_data, wait_for, write_data
from many import TRAIN, end, start, train

from cgan_raw.checkpoint import load
from cgan_raw.train import __main__ as command

EVERY = ("--log-every", 3, "--sample-every", 3, "--checkpoint-every", 3)
#: Checkpoints come soon, and no end.
LONG = ("--iterations", 1_000_000, "--log-every", 5, "--checkpoint-every", 5, "--out", "run")
PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """Of a quick run."""
    data = write_data(tmp_path_factory.mktemp("data"), *map(idx, random_data(64)))
    return ("--data", data, "--batch-size", 12, "--seed", 3)


@pytest.fixture(scope="module")
def one(flags, tmp_path_factory):
    """The run of one process, op by op: its folder."""
    folder = tmp_path_factory.mktemp("one") / "run"
    how = ("--device", "cpu", "--layered", "--iterations", 6, *EVERY)
    assert call(command.main, *flags, *how, "--out", folder).code == 0
    return folder


@pytest.fixture(scope="module")
def stopped(flags, tmp_path_factory):
    """The first half of the same by two ranks: where it was started, and what it printed."""
    folder = tmp_path_factory.mktemp("two")
    return folder, train(2, *flags, "--iterations", 3, *EVERY, "--out", "run", cwd=folder)


def assert_same_checkpoint(run: Path, other: Path) -> None:
    found, expected = (load(folder / "checkpoint.safetensors") for folder in (run, other))
    assert found.iteration == expected.iteration
    for name, tensor in expected.tensors.items():
        assert not np.abs(found.tensors[name] - tensor).max() > 1e-6, name


def test_one_rank_writes_and_prints(stopped, one):
    folder, result = stopped
    assert (result.code, result.err) == (0, "")
    assert result.out.count("finished after iteration 3") == 1
    assert "ranks       2, 6 images each" in result.out
    assert "op by op: ranks add up gradients" in result.out
    (line,), (expected, _) = losses(folder / "run"), losses(one)
    np.testing.assert_allclose(line, expected, atol=1e-6, rtol=0)
    assert [path.name for path in (folder / "run" / "samples").iterdir()] == ["000003.png"]


@pytest.mark.parametrize("ranks", [1, 4])
def test_another_number_of_ranks_goes_on(ranks, stopped, one, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("checkpoint.safetensors", "config.json", "metrics.jsonl"):
        (run / name).write_bytes((stopped[0] / "run" / name).read_bytes())
    if ranks == 1:
        assert call(command.main, "--resume", run, "--iterations", 6, "--device", "cpu").code == 0
    else:
        result = train(ranks, "--resume", "run", "--iterations", 6, cwd=tmp_path)
        assert (result.code, result.err) == (0, "")
    assert_same_checkpoint(run, one)


# How they end -------------------------------------------------------------------------------------------------


def ranks_in(folder: Path) -> dict[int, int]:
    """Process ids of the ranks that run in a folder, by rank."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(v.partition(b"=")[::2] for v in (process / "environ").read_bytes().split(b"\0"))
            if os.path.samefile(process / "cwd", folder) and b"PMI_RANK" in environment:
                found[int(environment[b"PMI_RANK"])] = int(process.name)
        except (OSError, PermissionError):
            continue  # it has ended, or is not ours
    return found


def wait_until(holds) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_mpiexec_saves_once(number, flags, tmp_path):
    process = start(2, *TRAIN, *flags, *LONG, cwd=tmp_path)
    wait_for(process, "iteration 5/")
    process.send_signal(number)
    result = end(process)
    assert result.code == 128 + number, result
    assert result.out.count("saved run/checkpoint.safetensors") == 1
    assert f"stopped by {number.name} after iteration" in result.out
    assert load(tmp_path / "run" / "checkpoint.safetensors").iteration % 5 < 5
    assert ranks_in(tmp_path) == {}


def test_a_signal_to_one_rank_ends_all(flags, tmp_path):
    process = start(2, *TRAIN, *flags, *LONG, cwd=tmp_path)
    wait_for(process, "iteration 5/")
    os.kill(ranks_in(tmp_path)[1], signal.SIGTERM)
    result = end(process)
    assert result.code == 143, result
    assert "stopped by SIGTERM after iteration" in result.out


def test_a_rank_that_is_killed_ends_all_and_the_run_goes_on(flags, tmp_path):
    process = start(2, *TRAIN, *flags, *LONG, cwd=tmp_path)
    wait_until((tmp_path / "run" / "checkpoint.safetensors").exists)
    os.kill(ranks_in(tmp_path)[1], signal.SIGKILL)
    begun = time.monotonic()
    assert end(process).code != 0
    assert time.monotonic() - begun < 10
    wait_until(lambda: ranks_in(tmp_path) == {})
    saved = load(tmp_path / "run" / "checkpoint.safetensors").iteration
    result = call(command.main, "--resume", tmp_path / "run", "--iterations", saved + 2, "--device", "cpu")
    assert (result.code, result.err) == (0, "")
