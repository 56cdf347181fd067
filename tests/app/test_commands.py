"""How these tests run commands: with whatever the caller put on Python's path, and leaving nothing behind."""

import os
import subprocess
import sys
import time

import commands
import pytest


def test_packages_on_the_callers_path_are_there_for_children_too(tmp_path):
    """After the package under test, which comes first."""
    (tmp_path / "carried.py").touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = "import commands, sys; sys.exit(commands.start('-c', 'import carried, cgan_raw', cwd='/').wait())"
    folder = os.path.dirname(commands.__file__)
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = [{folder!r}, {str(commands.ROOT)!r}]\n{code}"]
    assert subprocess.run(command, env=environment, check=False).returncode == 0


def test_nothing_is_left_of_a_command_that_takes_too_long(tmp_path):
    """Neither it nor what it started, which would hold its output open."""
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        commands.finish([sys.executable, "-c", code], 2, cwd=tmp_path)
    assert time.monotonic() - started < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.05)
    raise AssertionError("what it started still runs")


def _runs(number):
    try:
        with open(f"/proc/{number}/stat") as file:  # a zombie waits for whoever inherited it
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
