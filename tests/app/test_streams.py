"""Output that is closed, full or cut off, or an early Ctrl-C, costs a line at most, and no results."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import ENVIRONMENT, PATIENCE, Outcome, assert_failed, call

from cgan_raw.checkpoint import FILE_NAME
from cgan_raw.compare import __main__ as compare
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.evaluate import measure, report, standard, train_classifier
from cgan_raw.export import __main__ as export
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train

#: A command that prints and then ends with sys.argv[1].
COMMAND = """
import sys
from cgan_raw.console import cli
sys.exit(cli.run(lambda: print("Fréchet") or int(sys.argv[1])))
"""

#: A command that shows how far it has come.
PROGRESS = """
import sys
from cgan_raw.console import cli, progress
def main():
    with progress.Progress(0, 1, 1, quiet=False) as shown:
        shown.say("a line")
    return len(list(progress.bar(range(3), "counting")))
sys.exit(cli.run(main))
"""

BROKEN_PIPE = 128 + signal.SIGPIPE


@contextlib.contextmanager
def unread():
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as file:  # each line is flushed
        yield file


def run(*arguments, stdout, **environment) -> Outcome:
    """``python ARGUMENTS`` with its output there."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=ENVIRONMENT | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        encoding="utf-8",
    )
    return Outcome(done.returncode, done.stdout or "", done.stderr)


# Closed, full or cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_goes_away_is_told_nothing(unbuffered):
    with unread() as stdout:
        result = run("-c", COMMAND, 0, stdout=stdout, PYTHONUNBUFFERED=unbuffered)
    assert result == Outcome(BROKEN_PIPE, "", "")


def test_help_without_a_reader():
    with unread() as stdout:
        assert run("-m", "cgan_raw.sample", "--help", stdout=stdout) == Outcome(BROKEN_PIPE, "", "")


def test_failure_keeps_its_exit_code():
    with unread() as stdout:
        assert run("-c", COMMAND, 7, stdout=stdout) == Outcome(7, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is of Linux")
def test_full_output_is_one_line():
    with Path("/dev/full").open("w") as stdout:
        result = run("-c", COMMAND, 0, stdout=stdout)
    assert_failed(result, "standard output: No space left on device")


def test_letters_that_the_output_does_not_have_are_replaced():
    result = run("-c", COMMAND, 0, stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert result == Outcome(0, "Fr?chet\n", "")


def test_closed_output_is_no_terminal():
    close = f"import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-c', {PROGRESS!r}])"
    assert run("-c", close, stdout=subprocess.PIPE) == Outcome(3, "", "")


# Results come first -------------------------------------------------------------------------------------------


def test_all_pictures_are_saved_before_anything_is_printed(finished, tmp_path):
    names = {"--out": "samples.png", "--gif": "walk.gif", "--npz": "samples.npz"}
    flags = [part for flag, name in names.items() for part in (flag, tmp_path / name)]
    with unread() as stdout, contextlib.redirect_stdout(stdout):
        arguments = (finished[0] / FILE_NAME, "--device", "cpu", "--morph", "3:8", "--count", 2, *flags)
        code = sample.main(list(map(str, arguments)))
    assert code == BROKEN_PIPE
    assert {path.name for path in tmp_path.iterdir()} == set(names.values())


def test_evaluation_is_saved_before_it_is_printed(finished, tmp_path, monkeypatch):
    """The reader goes away while it is computed."""
    reading, writing = os.pipe()
    found, saved = SimpleNamespace(classifier={"test_accuracy": 1}), []
    monkeypatch.setattr(standard, "load", lambda *_: SimpleNamespace(name="some data"))
    monkeypatch.setattr(measure, "measure", lambda *_: os.close(reading) or found)
    monkeypatch.setattr(report, "text", lambda _: "figures")
    monkeypatch.setattr(report, "save", lambda *given: saved.append(given[:2]) or [])
    with open(writing, "w", buffering=1) as stdout, contextlib.redirect_stdout(stdout):
        arguments = (finished[0] / FILE_NAME, "--device", "cpu", "--out", tmp_path)
        code = evaluate.main(list(map(str, arguments)))
    assert saved == [(tmp_path, found)]
    assert code == BROKEN_PIPE


# Interrupts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [train, sample, evaluate, export, compare, train_classifier])
def test_interrupt_while_the_command_line_is_read(command, monkeypatch):
    monkeypatch.setattr(command, "parser", lambda: signal.raise_signal(signal.SIGINT))
    assert call(command.main) == Outcome(130, "", "")
