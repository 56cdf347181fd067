"""Each sanitizer finds the bugs planted for it in ``planted.cu``, names their line, and is silent without them.

The kernels run in a process of their own, because a sanitizer must be there from the start and may end it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
BOTH = ["address,undefined", "thread"]
CLEAN, RACE_FOUND, STOPPED = 0, 66, 1


def run(sanitize, broken, *kernels):
    command = [sys.executable, "-m", "cgan_raw.kernels.simt.sanitize", sanitize]
    command += [str(HERE / "run_planted.py"), str(broken), *kernels]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def lines(kernel, *texts):
    """Where the texts stand in a kernel: ``planted.cu:7``."""
    source = (HERE / "planted.cu").read_text().splitlines()
    start = next(i for i, line in enumerate(source) if f"void {kernel}(" in line)
    return [
        f"planted.cu:{next(i for i, line in enumerate(source) if i > start and text in line) + 1}"
        for text in texts
    ]


@pytest.mark.parametrize("sanitize", ["address,undefined", "thread"])
def test_silent_without_bugs(sanitize):
    done = run(sanitize, 0)
    assert (done.returncode, done.stdout) == (CLEAN, "done\n"), done.stderr
    assert "ERROR" not in done.stderr
    assert "ThreadSanitizer" not in done.stderr


@pytest.mark.parametrize(
    ("kernel", "message", "line"),
    [
        ("global_off_by_one", "heap-buffer-overflow", "y[i + broken]"),
        ("dynamic_shared_off_by_one", "heap-buffer-overflow", "buffer[threadIdx.x + broken]"),
        (
            "static_shared_off_by_one",
            "index 32 out of bounds for type 'float [32]'",
            "buffer[threadIdx.x + broken]",
        ),
        ("local_off_by_one_after_barrier", "stack-buffer-overflow", "= *last"),
        ("misaligned_vector", "store to misaligned address", "group[0] ="),
    ],
)
def test_address_and_undefined(kernel, message, line):
    done = run("address,undefined", 1, kernel)
    assert done.returncode == STOPPED
    assert message in done.stderr
    assert f"in {kernel} " in done.stderr
    assert lines(kernel, line)[0] in done.stderr


@pytest.mark.parametrize(
    ("kernel", "write", "read"),
    [
        ("dropped_barrier", "= threadIdx.x;", "y[threadIdx.x] ="),
        ("dropped_second_barrier", "= round;", "sum +="),
        ("dropped_syncwarp", "= threadIdx.x;", "y[threadIdx.x] ="),
        ("dropped_barrier_between_warps", "= threadIdx.x;", "y[threadIdx.x] ="),
        ("blocks_collide", "= blockIdx.x;", "= blockIdx.x;"),
        ("dropped_grid_barrier", "y[blockIdx.x] = 1", "y[16 + blockIdx.x] ="),
        ("last_block_sums", "y[blockIdx.x] = 1", "y[0] +="),
    ],
)
def test_thread(kernel, write, read):
    done = run("thread", 1, kernel)
    assert (done.returncode, done.stdout) == (RACE_FOUND, "done\n"), done.stderr
    assert "data race" in done.stderr
    for line in lines(kernel, write, read):
        assert line in done.stderr


#: A test that runs a kernel of planted.cu with its bug.
TEST = """
import runpy, sys

def test_planted():
    sys.argv = ["run_planted.py", "1", {kernel!r}]
    runpy.run_path({script!r})
"""


@pytest.mark.parametrize(
    ("sanitize", "kernel", "line", "code"),
    [
        ("address,undefined", "global_off_by_one", "y[i + broken]", STOPPED),
        ("address,undefined", "static_shared_off_by_one", "buffer[threadIdx.x + broken]", STOPPED),
        ("thread", "dropped_barrier", "= threadIdx.x;", RACE_FOUND),
    ],
)
def test_what_pytest_would_swallow_is_reported(tmp_path, sanitize, kernel, line, code):
    """It takes what its process writes to stderr, and has no chance to show it when that process is ended."""
    test = tmp_path / "test_planted.py"
    test.write_text(TEST.format(kernel=kernel, script=str(HERE / "run_planted.py")))
    command = [sys.executable, "-m", "cgan_raw.kernels.simt.sanitize", sanitize, "-m", "pytest", str(test)]
    done = subprocess.run([*command, "-q"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == code
    assert lines(kernel, line)[0] in done.stderr


PYTHON = """#!/bin/sh
echo "$3"
case "$3" in {failing}) exit 1 ;; esac
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("failing", "code", "started"),
    [("address*", 2, ["address,undefined"]), ("thread", 2, BOTH), ("none", 0, BOTH)],
)
def test_make_sanitize_fails_where_one_sanitizer_does(tmp_path, monkeypatch, failing, code, started):
    """With a Python that only says what it is asked for, and fails at one of them."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PYTHON.format(failing=failing))
    python.chmod(0o755)
    (tmp_path / ".dev").touch()  # make finds its environment up to date
    monkeypatch.delenv("MAKEFLAGS", raising=False)  # of the make that runs the tests
    command = ["make", "--silent", "sanitize", f"VENV={tmp_path}"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    expected = code, ["tests/kernels/test_barriers.py", *started]
    assert (done.returncode, done.stdout.split()) == expected, done.stderr


def test_usage():
    done = run("memory", 0)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: ")
