"""How these tests run the commands, and the small data sets they give them."""

import contextlib
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cgan_raw

#: Where the package under test lies; processes of their own are given it, whatever folder they run in.
ROOT = Path(cgan_raw.__file__).resolve().parents[1]
#: What they print goes through a buffer, as it does where nobody asks for anything else.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ENVIRONMENT["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), ENVIRONMENT.get("PYTHONPATH"))))

#: What an installer writes into the console command.
CONSOLE_SCRIPT = "import sys; from cgan_raw.__main__ import main; sys.exit(main())"

#: Seconds after which a process hangs; long, for machines that do other things too.
PATIENCE = 120


@dataclass(frozen=True)
class Outcome:
    """What a command leaves behind: its exit code and what it printed."""

    code: int
    out: str
    err: str


def call(main: Callable[[list[str]], int], *arguments: object) -> Outcome:
    """A command's ``main`` in this process, which spares seconds of imports."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code
    return Outcome(code, out.getvalue(), err.getvalue())


def start(*arguments: object, cwd: Path) -> subprocess.Popen:
    """``python ARGUMENTS`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen, text: str) -> None:
    """Read what a process prints up to a line that begins with ``text``, columns of spaces aside."""
    for line in process.stdout:
        if " ".join(line.split()).startswith(text):
            return
    raise AssertionError(f"the process ended without printing {text!r}: {process.communicate()[1]}")


def outcome(process: subprocess.Popen) -> Outcome:
    """Wait for a process to end."""
    out, err = process.communicate(timeout=PATIENCE)
    return Outcome(process.returncode, out, err)


def finish(command: list[str], patience: float, **how: object) -> subprocess.CompletedProcess:
    """Run a command to its end, which has all that was printed in ``stdout``; nothing that it started is left.

    Raises
    ------
    subprocess.TimeoutExpired : it took longer than ``patience`` seconds.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **how
    )
    try:
        out, _ = process.communicate(timeout=patience)
        return subprocess.CompletedProcess(command, process.returncode, out)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_refused(result: Outcome, *names: object, code: int = 2) -> None:
    """One line on stderr that names what is wrong, nothing else, and the exit code."""
    assert result.out == ""
    assert_failed(result, *names, code=code)


def assert_failed(result: Outcome, *names: object, code: int = 1) -> None:
    """As :func:`assert_refused`, but something may have been printed before."""
    assert result.err.startswith("error: "), result
    assert result.err.endswith("\n")
    assert result.err.count("\n") == 1, result.err
    assert result.code == code, result
    for name in names:
        assert str(name) in result.err


def idx(array: np.ndarray) -> bytes:
    """A uint8 array as the bytes of an IDX file."""
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def random_data(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 28, 28) and labels (count,), uint8, in which every digit comes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10


def write_data(folder: Path, images: bytes, labels: bytes, suffix: str = "", part: str = "train") -> Path:
    """Two files with the training set's names in a folder, or with those of another ``part``; gzipped if
    ``suffix`` is .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        packed = gzip.compress(content) if suffix == ".gz" else content
        (folder / f"{part}-{name}-ubyte{suffix}").write_bytes(packed)
    return folder


def metrics(run: Path) -> list[dict]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[tuple[float, ...]]:
    """What a seed determines in a run's metrics: all but the clock."""
    return [tuple(line[k] for k in ("iteration", "d_loss", "d_accuracy", "g_loss")) for line in metrics(run)]


def leftovers(folder: Path) -> list[Path]:
    """Unfinished files, anywhere below a folder."""
    return list(folder.rglob(".*"))
