"""``python -m bench.gpu_check [STEP ...]``: check and measure the GPU in under ten minutes, installing nothing.

Each step is a process of its own with a time limit and a log; one that fails keeps none from running.  A step
that needs a package which is not there, or more time than is left for all, is reported as not run.  Two calls,
the first with ``train compare kernels`` and the second with ``device iterations tests sanitizers``, leave no
step out.  Figures, logs and a grid of samples go to bench/results/gpu, or to the folder that the environment
variable OUT names; what other steps have left there stays.  This file itself needs nothing but Python.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cgan_raw.console import cli
from cgan_raw.errors import InputError
from cgan_raw.files.writing import write_atomically

from .gpu_steps import STEPS, Folders, NotProven, Step

CHECKOUT = Path(__file__).resolve().parent.parent

_BUDGET = 575  # seconds for all steps, with the time to end the last one
#: What a step is sent when its time is over, and the seconds that it then has to end in order.  SIGINT first:
#: on that, pytest writes its report.
_ENDING = ((signal.SIGINT, 10), (signal.SIGTERM, 5))
_MOST_BYTES = 16 * 2**20  # of a log that is kept
_TAIL = 4_000  # characters of the log of a step that did not pass
_PACKAGES = {"PIL": "Pillow"}  # those not named as they are imported

PASSED, FAILED, CUT_SHORT, NOT_RUN = STATUSES = ("passed", "failed", "cut short", "not run")


@dataclass
class Result:
    """What came of a step.

    Parameters
    ----------
    lacks_time : whether it would have gone further with more time.
    """

    name: str
    status: str
    note: str
    seconds: float = 0.0
    figures: dict = field(default_factory=dict)
    lacks_time: bool = False
    printed: str = ""  #: the end of it, unless it passed
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, 1 a step failed or was cut short, 2 there is no such step."""
    return cli.run(lambda: _check(chosen(_parse(arguments).steps)))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_check", description=__doc__.splitlines()[0])
    names = ", ".join(step.name for step in STEPS)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"{names}; train is both (default: all)")
    return parser.parse_args(arguments)


def chosen(names: Sequence[str]) -> list[Step]:
    """The steps of these names in the order of the list; a name also means those that add something to it.

    Raises
    ------
    InputError : there is no such step.
    """
    found = []
    for name in names:
        meant = [step for step in STEPS if step.name == name or step.name.startswith(f"{name}_")]
        if not meant:
            raise InputError(f"no step {name!r}; there are {', '.join(step.name for step in STEPS)}")
        found += meant
    return [step for step in STEPS if step in found or not names]


def _check(steps: Sequence[Step]) -> int:
    out = Path(os.environ.get("OUT") or CHECKOUT / "bench" / "results" / "gpu")
    out.mkdir(parents=True, exist_ok=True)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a background shell; the steps must hear it,
        signal.signal(signal.SIGINT, lambda *_: None)  # and only what is ignored is inherited, not a handler
    with tempfile.TemporaryDirectory() as work:
        results = run(steps, Folders(Path(work), out))
    print(f"\n{table(results)}\n\nfigures, logs and samples: {out}")
    if rest := [result.name for result in results if result.lacks_time]:
        print(f'for the rest: make gpu-check ARGS="{" ".join(rest)}"')
    return 1 if any(result.status in (FAILED, CUT_SHORT) for result in results) else 0


def run(steps: Sequence[Step], folders: Folders, budget: float = _BUDGET) -> list[Result]:
    """Do one step after the other; what is known is in ``folders.out`` after each."""
    end = time.monotonic() + budget - sum(grace for _, grace in _ENDING)
    results = []
    for step in steps:
        print(f"{step.name} ...", flush=True)
        result = _one(step, folders, end - time.monotonic())
        print(f"{step.name}: {result.status}, {result.note}", flush=True)
        results.append(result)
        _publish(result, folders.out)
    return results


def _one(step: Step, folders: Folders, left: float) -> Result:
    missing = [_PACKAGES.get(name, name) for name in step.needs if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return Result(step.name, NOT_RUN, f"{', '.join(missing)} {verb} not installed")
    if left < step.estimate:
        note = f"{max(left, 0):.0f} s are left of the time for all, and it takes some {step.estimate:.0f}"
        return Result(step.name, NOT_RUN, note, lacks_time=True)
    log, limit = folders.work / f"{step.name}.log", min(step.limit, left)
    for name in (log.name, *step.keeps):
        (folders.out / name).unlink(missing_ok=True)  # an earlier call's
    started = time.monotonic()
    code = _process(step, folders, log, limit)
    seconds = time.monotonic() - started
    printed = log.read_text(encoding="utf-8", errors="replace")
    result = _judged(step, folders, code, limit, printed)
    result.seconds = seconds
    if result.status != PASSED:
        result.printed = printed[-_TAIL:]
    if step.logged:
        write_atomically(folders.out / log.name, log.read_bytes()[-_MOST_BYTES:])
    return result


def _judged(step: Step, folders: Folders, code: int | None, limit: float, printed: str) -> Result:
    """What came of a step that ended with an exit code, or None if its time was over."""
    result, fault = Result(step.name, PASSED, ""), ""
    try:
        result.figures = step.figures(folders)
        result.note = result.figures.pop("note", "")
    except NotProven as reason:
        result.status, result.note = NOT_RUN, str(reason)
    except Exception as error:  # whatever a half-made or missing file leads to
        result.status, fault = FAILED, f"made no figures ({type(error).__name__}: {error})"
    unfinished, failed = result.figures.pop("unfinished", ""), result.figures.get("failed", [])
    if code is None:
        result.status, result.lacks_time = CUT_SHORT, True
        before = printed.partition("Traceback (most recent call last)")[0]  # which the signal leads to
        result.note = f"after {limit:.0f} s; {result.note or _last_line(before)}"
    elif code != 0:
        result.status = FAILED
        result.note = f"exit code {code}; {result.note or _last_line(printed)}"
    elif fault or unfinished:
        result.status, result.note = FAILED, fault or f"{unfinished}; {result.note}"
    if failed:
        result.status, result.note = FAILED, f"{result.note}; {failed[0]}"
    return result


def _process(step: Step, folders: Folders, log: Path, limit: float) -> int | None:
    """Run a step's command; its exit code, or None if its time was over.  Nothing that it started is left."""
    places = {f"{{{name}}}": str(folder) for name, folder in folders._asdict().items()}
    command = [sys.executable]
    for word in step.command:
        for name, folder in places.items():
            word = word.replace(name, folder)
        command.append(word)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return _ended(process, limit)
        finally:
            _end_group(process)


def _ended(process: subprocess.Popen, limit: float) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(limit)
    for number, grace in _ENDING:
        process.send_signal(number)  # nothing, once it has ended
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    return None


def _end_group(process: subprocess.Popen) -> None:
    """The command and whatever it started are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(printed: str) -> str:
    lines = (line.strip()[:200] for line in reversed(printed.split("\n")))
    return next(filter(None, lines), "it printed nothing")


def _publish(result: Result, out: Path) -> None:
    """Put a result among those of earlier steps; one that was not run leaves what an earlier call found."""
    file = out / "figures.json"
    steps = _earlier(file)
    if result.status != NOT_RUN or result.name not in steps:
        steps[result.name] = asdict(result)
    order = [step.name for step in STEPS]
    names = sorted(steps, key=lambda name: order.index(name) if name in order else len(order))
    written = {"python": sys.version, "steps": {name: steps[name] for name in names}}
    write_atomically(file, (json.dumps(written, indent=1) + "\n").encode())


def _earlier(file: Path) -> dict[str, dict]:
    """The results in a file, none if it cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return dict(json.loads(file.read_text(encoding="utf-8"))["steps"])
    return {}


def table(results: Sequence[Result]) -> str:
    """A line for each step, and how many of them passed, failed, were cut short and did not run."""
    width = max(len(result.name) for result in results)
    lines = [f"{r.name:<{width}}  {r.status:<9}  {r.seconds:6.1f} s  {r.note}" for r in results]
    count = Counter(result.status for result in results)
    return "\n".join([*lines, "", ", ".join(f"{count[status]} {status}" for status in STATUSES)])


if __name__ == "__main__":
    sys.exit(main())
