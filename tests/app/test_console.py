"""The console command: it lists the commands and passes the rest of its line on to the one that is named."""

import sys

import pytest
from commands import CONSOLE_SCRIPT, assert_refused, call, outcome, start

import cgan_raw
from cgan_raw import __main__ as console
from cgan_raw.console.cli import called
from cgan_raw.train import __main__ as train


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_commands_are_listed_with_a_line_each(arguments):
    result = call(console.main, *arguments)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "usage: python -m cgan_raw COMMAND ..."
    assert [line.split()[0] for line in lines[-len(console.COMMANDS) :]] == list(console.COMMANDS)
    assert "  train     Train a conditional GAN, or a plain one." in lines
    assert max(map(len, lines)) <= 80


def test_rest_of_the_line_is_the_command_s(small, tmp_path):
    flags = (*small, "--iterations", 1, "--quiet", "--out", tmp_path / "run")
    assert call(console.main, "train", *flags) == call(train.main, *flags[:-1], tmp_path / "other")
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert_refused(call(console.main, "train", *flags), tmp_path / "run", "holds a run already")


def test_unknown_command_is_refused_with_those_that_are_known():
    assert_refused(call(console.main, "trian", "--iterations", 1), "trian", *console.COMMANDS)


def test_unknown_flag_is_refused():
    result = call(console.main, "--verbose")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].endswith("error: unrecognized arguments: --verbose")


@pytest.mark.parametrize("command", [(), *((name,) for name in console.COMMANDS)])
def test_version(command):
    assert call(console.main, *command, "--version").out == f"cgan_raw {cgan_raw.__version__}\n"


# How it was called --------------------------------------------------------------------------------------------

HERE = str(console.__file__)


@pytest.mark.parametrize(
    ("program", "command", "said"),
    [
        ("/usr/bin/cgan-raw", "train", "cgan-raw train"),
        ("C:/Scripts/cgan-raw.exe", "train", "cgan-raw train"),
        ("cgan-raw", "", "cgan-raw"),
        (HERE, "train", "python -m cgan_raw train"),
        (HERE, "", "python -m cgan_raw"),
        (str(train.__file__), "train", "python -m cgan_raw.train"),
        ("/usr/bin/pytest", "evaluate.train_classifier", "python -m cgan_raw.evaluate.train_classifier"),
    ],
)
def test_usage_names_the_command_as_it_was_called(program, command, said, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program])
    assert called(command) == said


@pytest.mark.parametrize(
    ("name", "said"), [(("cgan-raw",), "cgan-raw"), (("-m", "cgan_raw"), "python -m cgan_raw")]
)
def test_processes_say_it_too(name, said, tmp_path):
    (tmp_path / "cgan-raw").write_text(CONSOLE_SCRIPT)
    result = outcome(start(*name, "compare", "one", cwd=tmp_path))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"usage: {said} compare [-h]")
    assert result.err.splitlines()[-1].startswith(f"{said} compare: error: the following arguments")
