"""A run is a function of its seed, however often it is stopped, killed or interrupted on the way."""

import fcntl
import itertools
import os
import pty
import random
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from commands import (
    ENVIRONMENT,
    PATIENCE,
    Outcome,
    assert_failed,
    assert_refused,
    call,
    leftovers,
    losses,
    metrics,
    outcome,
    start,
    wait_for,
)

from cgan_raw.checkpoint import FILE_NAME, load
from cgan_raw.devices import choice as backends
from cgan_raw.devices.backend import Backend
from cgan_raw.train import __main__ as train
from cgan_raw.train import trainer

#: The intervals of the run in ``finished``, so that checkpoints can be compared byte by byte.
EVERY = ("--log-every", 5, "--sample-every", 20, "--checkpoint-every", 20)
ENDLESS = ("--iterations", 10**9)


@contextmanager
def running(*arguments, cwd: Path):
    """``train ARGUMENTS`` as a process of its own, killed at the end if it still runs."""
    process = start("-m", "cgan_raw.train", *arguments, cwd=cwd)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def assert_same_run(folder: Path, expected: Path) -> None:
    """The same checkpoint byte by byte, the same losses and the same pictures."""
    assert (folder / FILE_NAME).read_bytes() == (expected / FILE_NAME).read_bytes()
    assert losses(folder) == losses(expected)
    for path in (expected / "samples").iterdir():
        assert (folder / "samples" / path.name).read_bytes() == path.read_bytes()
    assert not leftovers(folder)


def same_tensors(one: Path, other: Path) -> bool:
    a, b = (load(folder / FILE_NAME).tensors for folder in (one, other))
    return all(np.array_equal(a[name], b[name]) for name in a)


def resume_to_60(folder: Path) -> None:
    result = call(train.main, "--resume", folder, "--iterations", 60)
    assert result.code == 0, result


# Determinism ------------------------------------------------------------------------------------------------


def test_another_process_ends_with_the_same_bytes(finished, small, tmp_path):
    arguments = (*small, "--iterations", 60, *EVERY, "--seed", 7, "--out", "run")
    with running(*arguments, cwd=tmp_path) as process:
        assert outcome(process).code == 0
    assert_same_run(tmp_path / "run", finished[0])


def test_another_seed_is_another_run(small, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        flags = ("--iterations", 2, "--seed", seed, "--log-every", 1, "--quiet")
        assert call(train.main, *small, *flags, "--out", tmp_path / name).code == 0
    assert same_tensors(tmp_path / "one", tmp_path / "again")
    assert not same_tensors(tmp_path / "one", tmp_path / "two")
    assert losses(tmp_path / "one") == losses(tmp_path / "again") != losses(tmp_path / "two")


def test_intervals_have_no_say_in_what_is_computed(finished, small, tmp_path):
    flags = ("--iterations", 60, "--seed", 7, "--log-every", 7, "--sample-every", 11, "--checkpoint-every", 13)
    assert call(train.main, *small, *flags, "--out", tmp_path / "run").code == 0
    assert same_tensors(tmp_path / "run", finished[0])


# Kill -9 ----------------------------------------------------------------------------------------------------


def test_20_iterations_kill_and_40_more_are_60(finished, small, tmp_path):
    folder = tmp_path / "run"
    with running(*small, *ENDLESS, *EVERY, "--seed", 7, "--out", folder, cwd=tmp_path) as process:
        wait_for(process, "iteration 25/")
        assert_refused(call(train.main, "--resume", folder), folder, "another process")
        process.kill()
        process.wait()
    assert load(folder / FILE_NAME).iteration in (20, 40)
    resume_to_60(folder)
    assert_same_run(folder, finished[0])


def test_kills_at_random_moments_do_no_harm(finished, small, tmp_path):
    """A checkpoint an iteration, so that most kills fall into a save."""
    folder, moments = tmp_path / "run", random.Random(0)
    begin = (*small, "--seed", 7, "--out", folder)
    done = 0
    for _ in range(3):
        every = (*ENDLESS, "--log-every", 1, "--checkpoint-every", 1, "--sample-every", 20)
        with running(*begin, *every, cwd=tmp_path) as process:
            wait_for(process, f"iteration {done + 1}/")
            wait_for_checkpoint(folder, done + 1)
            time.sleep(moments.uniform(0, 0.3))
        done, before = load(folder / FILE_NAME).iteration, done
        assert done > before
        begin = ("--resume", folder)
    resume_to_60(folder)
    assert same_tensors(folder, finished[0])
    assert [line for line in losses(folder) if line[0] % 5 == 0] == losses(finished[0])


def wait_for_checkpoint(folder: Path, iteration: int) -> None:
    """The first one of a process takes a moment more than the line that announces it."""
    deadline = time.monotonic() + PATIENCE
    while not (folder / FILE_NAME).exists() or load(folder / FILE_NAME).iteration < iteration:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Signals ----------------------------------------------------------------------------------------------------


ACKNOWLEDGED = "stopping, once the run is saved; Ctrl-C again ends it at once\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signal_saves_says_where_and_loses_nothing(number, code, finished, small, tmp_path):
    folder = tmp_path / "run"
    with running(*small, *ENDLESS, *EVERY, "--seed", 7, "--out", folder, cwd=tmp_path) as process:
        wait_for(process, "iteration 5/")
        process.send_signal(number)
        result = outcome(process)
    done = load(folder / FILE_NAME).iteration
    assert (result.code, result.err) == (code, ACKNOWLEDGED if number == signal.SIGINT else "")
    assert result.out.splitlines()[-2:] == [
        f"stopped by {signal.Signals(number).name} after iteration {done:,}; saved {folder / FILE_NAME}",
        f"go on with: python -m cgan_raw.train --resume {folder}",
    ]
    assert [line[0] for line in losses(folder)] == list(range(5, done + 1, 5)), "a stop adds no line"
    assert not leftovers(folder)
    assert_goes_on_as_if_never_stopped(folder, done, finished[0], small)


def assert_goes_on_as_if_never_stopped(folder, done, finished, small):
    """Up to iteration 60, or a little further where the machine was quick."""
    straight, last = finished, 60
    if done >= last:
        straight, last = folder.with_name("straight"), done + 3
        assert call(train.main, *small, *EVERY, "--seed", 7, "--iterations", last, "--out", straight).code == 0
    assert call(train.main, "--resume", folder, "--iterations", last).code == 0
    assert_same_run(folder, straight)


def test_signal_before_the_first_iteration_saves_too(small, tmp_path, monkeypatch):
    """And the run can go on from there."""
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(trainer.Sampler, "__init__", interrupted(trainer.Sampler.__init__))
        result = call(train.main, *small, "--iterations", 2, "--out", folder)
    assert result.code == 130
    assert "stopped by SIGINT after iteration 0; saved" in result.out
    assert load(folder / FILE_NAME).iteration == 0
    assert call(train.main, "--resume", folder).code == 0
    assert call(train.main, *small, "--iterations", 2, "--out", tmp_path / "straight").code == 0
    assert_same_run(folder, tmp_path / "straight")


def interrupted(function):
    """The same function, after a SIGINT to this process."""

    def call_after_signal(*arguments):
        signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    return call_after_signal


@contextmanager
def running_on_a_terminal(*arguments):
    """``train ARGUMENTS`` with a terminal of its own: (the process, the terminal's other end)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cgan_raw.train", *map(str, arguments)],
        env=ENVIRONMENT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()


def test_terminal_that_is_closed_loses_nothing(small, tmp_path):
    """What is printed from then on is an error."""
    folder = tmp_path / "run"
    every = ("--log-every", 1, "--checkpoint-every", 10**9)
    with running_on_a_terminal(*small, *ENDLESS, *every, "--out", folder) as (process, terminal):
        deadline = time.monotonic() + PATIENCE
        while not (folder / "metrics.jsonl").exists() or not metrics(folder):
            assert time.monotonic() < deadline
            if select.select([terminal], [], [], 0.05)[0]:
                os.read(terminal, 1000)
        os.close(terminal)
        assert process.wait(PATIENCE) == 128 + signal.SIGHUP
    assert load(folder / FILE_NAME).iteration >= 1
    assert not leftovers(folder)


# Readers ----------------------------------------------------------------------------------------------------


def outcome_without_reader(process) -> Outcome:
    """Close the pipe that a process prints to and wait for it to end."""
    process.stdout.close()
    process.stdout = None
    return outcome(process)


def test_reader_that_was_never_there_ends_the_run_quietly(small, tmp_path):
    with running(*small, *ENDLESS, "--out", "run", cwd=tmp_path) as process:
        result = outcome_without_reader(process)
    assert (result.code, result.err) == (128 + signal.SIGPIPE, "")


def test_reader_that_goes_away_ends_the_run_in_one_line_and_the_checkpoint_stands(small, tmp_path):
    every = (*ENDLESS, "--log-every", 1, "--checkpoint-every", 1)
    with running(*small, *every, "--out", "run", cwd=tmp_path) as process:
        wait_for(process, "iteration 2/")
        result = outcome_without_reader(process)
    done = load(tmp_path / "run" / FILE_NAME).iteration
    assert_failed(result, f"standard output: Broken pipe; the checkpoint of iteration {done} stands")
    assert not leftovers(tmp_path)


# Divergence -------------------------------------------------------------------------------------------------


def test_divergence_stops_the_run_naming_the_iteration(small, tmp_path):
    arguments = (*small, "--learning-rate", "1e20", "--log-every", 3, "--quiet", "--out", "run")
    with running(*arguments, cwd=tmp_path) as process:
        result = outcome(process)
    assert_failed(result, "diverged", "iteration 1 ", "there is no checkpoint")
    assert losses(tmp_path / "run") == []


def test_divergence_keeps_the_last_good_checkpoint(small, tmp_path, monkeypatch):
    """NaN from iteration 6 on; the checkpoint of 4 stands, and the line of 8 is never written."""
    poison_from(6, monkeypatch)
    folder = tmp_path / "run"
    every = ("--iterations", 20, "--log-every", 4, "--checkpoint-every", 4)
    result = call(train.main, *small, *every, "--out", folder)
    assert_failed(result, "diverged", "iteration 6 ", "checkpoint of iteration 4 stands")
    assert load(folder / FILE_NAME).iteration == 4
    assert [line[0] for line in losses(folder)] == [4]


def change_iterations(monkeypatch, before=lambda parameters: None, after=lambda parameters: None) -> None:
    """Have the networks' parameters changed before or after each iteration."""
    make = trainer.make_iteration

    def changed(*arguments):
        iteration = make(*arguments)
        real = iteration.run

        def run():
            before(iteration.parameters)
            real()
            after(iteration.parameters)

        iteration.run = run
        return iteration

    monkeypatch.setattr(trainer, "make_iteration", changed)


def poison_from(iteration: int, monkeypatch) -> None:
    """From this iteration on, the discriminator gives no numbers."""
    calls = itertools.count(1)

    def poison(parameters):
        if next(calls) >= iteration:
            parameters["discriminator"].flat[...] = np.nan

    change_iterations(monkeypatch, before=poison)
    monkeypatch.setattr(backends.CpuBackend, "repeat", Backend.repeat)  # calls it each time, without a record


def test_parameters_that_are_not_finite_are_never_saved(small, tmp_path, monkeypatch):
    """The losses of the last iteration may still be finite."""

    def overflow(parameters):
        parameters["generator"].values["dense0.bias"][3] = np.inf

    change_iterations(monkeypatch, after=overflow)
    result = call(train.main, *small, "--iterations", 1, "--out", tmp_path / "run")
    assert_failed(result, "generator.dense0.bias", "after iteration 1")
    assert not (tmp_path / "run" / FILE_NAME).exists()


# Disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A folder that holds one checkpoint (29 MB), but not two."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=45m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_leaves_the_last_checkpoint_and_says_so(small_disk, small):
    folder = small_disk / "run"
    every = ("--iterations", 5, "--log-every", 1, "--checkpoint-every", 2)
    result = call(train.main, *small, *every, "--out", folder)
    assert_failed(result, folder / FILE_NAME, "No space left on device", "checkpoint of iteration 2 stands")
    assert load(folder / FILE_NAME).iteration == 2
    assert not leftovers(folder)


def test_folder_that_is_lost_on_the_way_ends_the_run_in_one_line(small, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    report = trainer.Progress.report

    def remove_folder(self, line):
        report(self, line)
        if line["iteration"] == 2:
            shutil.rmtree(folder)

    monkeypatch.setattr(trainer.Progress, "report", remove_folder)
    every = ("--iterations", 5, "--log-every", 1, "--checkpoint-every", 1)
    result = call(train.main, *small, *every, "--out", folder)
    assert_failed(result, folder, "No such file or directory", "there is no checkpoint")
    assert not folder.exists()
