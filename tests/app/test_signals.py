"""A signal ends a command however it reaches it, a second one at once, unless it only looks like a second."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from commands import CONSOLE_SCRIPT, ENVIRONMENT, PATIENCE, call, outcome, start, wait_for

from cgan_raw.console import cli
from cgan_raw.console.progress import bar
from cgan_raw.console.stopping import SIGNALS
from cgan_raw.files.writing import write_atomically
from cgan_raw.train import __main__ as train

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.fixture
def lost():
    """Raises a signal in a callback from C, where an exception comes to nothing."""

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def callback(number):
        signal.raise_signal(number)

    return callback


# Lost exceptions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_signal_whose_exception_is_lost_ends_the_command(number, lost, monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", show := shown.append)
    assert cli.run(lambda: lost(number) or 0) == 128 + number
    assert shown == [], "Python's own words on a lost exception"
    assert sys.unraisablehook is show


def test_other_exceptions_that_are_lost_are_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: shown.append(what.exc_type))
    assert cli.run(lambda: ctypes.CFUNCTYPE(None)(lambda: 1 // 0)() or 0) == 0
    assert shown == [ZeroDivisionError]


def test_nothing_is_written_after_it(lost, tmp_path):
    assert cli.run(lambda: lost(TERM) or write_atomically(tmp_path / "file", b"content") or 0) == 128 + TERM
    assert list(tmp_path.iterdir()) == []


def test_no_further_step_is_made_after_it(lost):
    made = []
    assert cli.run(lambda: [made.append(step) or lost(TERM) for step in bar(range(5), "making")] and 0) == 143
    assert made == [0]


def test_signal_that_arrives_as_another_exception_ends_the_command(capsys):
    def main():
        try:
            signal.raise_signal(TERM)
        except SystemExit:
            raise RuntimeError("a callback failed") from None

    assert cli.run(main) == 128 + TERM
    assert capsys.readouterr() == ("", "")


def test_other_exceptions_are_not_hidden():
    def main():
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        cli.run(main)


def test_failure_after_a_signal_keeps_its_exit_code(capsys):
    def main():
        with SIGNALS.deferred(announce=True):
            signal.raise_signal(TERM)
            raise OSError(28, "No space left on device", "file")

    assert cli.run(main) == 1
    assert capsys.readouterr().err == "error: file: No space left on device\n"


def test_failure_that_nobody_can_be_told_keeps_its_exit_code(monkeypatch):
    """Its terminal has been closed."""

    def refuse(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=refuse))
    assert cli.run(lambda: refuse()) == 1


# Handlers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_signal_that_is_ignored_stays_so(number):
    """As by nohup, and in the background of a script."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert cli.run(lambda: signal.raise_signal(number) or 7) == 7
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_all_is_as_before_once_a_command_has_ended(small, tmp_path):
    def state():
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        return [signal.getsignal(number) for number in (INT, TERM, HUP)], wakeup

    before = state()
    assert call(train.main, *small, "--iterations", 1, "--out", tmp_path / "run").code == 0
    files = len(os.listdir("/dev/fd"))
    assert cli.run(lambda: signal.raise_signal(TERM)) == 143
    assert state() == before
    assert len(os.listdir("/dev/fd")) == files
    assert cli.run(lambda: 0) == 0, "a signal is not remembered"


# The second one -----------------------------------------------------------------------------------------------

#: Says "saved" some time after the first signal, which it hears as soon as sys.argv[1] allows.
SAVING = """
import hashlib, sys, time
from cgan_raw.console import cli
from cgan_raw.console.stopping import SIGNALS

def main():
    with SIGNALS.deferred(announce=True):
        print("ready", flush=True)
        if sys.argv[1] == "in C":
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        while SIGNALS.received is None:
            time.sleep(0.01)
        time.sleep(0.5)
        print("saved")
    return 0

sys.exit(cli.run(main))
"""
ACKNOWLEDGED = "stopping, once the run is saved; Ctrl-C again ends it at once\n"


@contextlib.contextmanager
def saving(where: str, tmp_path):
    process = start("-c", SAVING, where, cwd=tmp_path)
    try:
        wait_for(process, "ready")
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("numbers", [[INT, INT], [INT, TERM], [TERM, INT], [TERM, TERM], [HUP, INT]])
def test_second_signal_ends_at_once(numbers, tmp_path):
    with saving("in Python", tmp_path) as process:
        for number in numbers:
            time.sleep(0.1)
            process.send_signal(number)
        result = outcome(process)
    assert (result.code, result.out) == (128 + numbers[-1], "")


@pytest.mark.parametrize("numbers", [[HUP, HUP], [TERM, HUP], [INT, HUP]])
def test_terminal_does_not_insist(numbers, tmp_path):
    """A shell that is hung up tells its children what the system tells them too."""
    with saving("in Python", tmp_path) as process:
        for number in numbers:
            time.sleep(0.1)
            process.send_signal(number)
        result = outcome(process)
    assert (result.code, result.out) == (128 + numbers[0], "saved\n")
    assert result.err == (ACKNOWLEDGED if numbers[0] == INT else "")


def test_two_signals_at_one_moment_are_one(tmp_path):
    """As timeout(1) sends them."""
    with saving("in Python", tmp_path) as process:
        process.send_signal(TERM)
        time.sleep(0.01)
        process.send_signal(TERM)
        result = outcome(process)
    assert (result.code, result.out) == (143, "saved\n")


def test_code_in_c_keeps_nobody_waiting(tmp_path):
    """Ctrl-C is acknowledged, and the second ends the process, while no Python runs."""
    with saving("in C", tmp_path) as process:
        time.sleep(0.1)
        process.send_signal(INT)
        assert process.stderr.readline() == ACKNOWLEDGED
        time.sleep(0.1)
        process.send_signal(INT)
        result = outcome(process)
    assert (result.code, result.out, result.err) == (130, "", "")


# Before and after ---------------------------------------------------------------------------------------------

#: In place of a module that every command imports first: an interrupt now, or at the very end.
AT_THE_START = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(10)"
AT_THE_END = """
import atexit, os, signal, sys, time
atexit.register(time.sleep, 10)
atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.path.pop(0)
del sys.modules["argparse"]
import argparse
"""


@pytest.mark.parametrize("module", [AT_THE_START, AT_THE_END], ids=["start", "end"])
@pytest.mark.parametrize(
    "name",
    [("-m", "cgan_raw.train"), ("-mcgan_raw.sample",), ("-m", "cgan_raw", "train"), ("cgan-raw", "train")],
    ids=" ".join,
)
def test_interrupt_outside_of_a_command_shows_no_traceback(module, name, tmp_path):
    (tmp_path / "argparse.py").write_text(module)
    (tmp_path / "cgan-raw").write_text(CONSOLE_SCRIPT)
    result = outcome(start(*name, "--help", cwd=tmp_path))
    assert (result.code, result.err) == (-INT, "")
    assert bool(result.out) == (module == AT_THE_END)


@pytest.mark.parametrize("name", [("-c", "import other", "cgan_raw.train"), ("-m", "other.command")])
def test_interrupts_of_other_programs_are_theirs(name, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").write_text("import cgan_raw, signal; print(signal.getsignal(2))")
    (tmp_path / "other" / "command.py").touch()
    command = [sys.executable, *name]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=PATIENCE)
    assert b"default_int_handler" in done.stdout
