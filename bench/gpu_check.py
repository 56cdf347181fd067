"""``python -m bench.gpu_check``: check and measure the GPU in under nine minutes, installing nothing.

Each step is a process of its own with a time limit and a log; one that fails keeps none from running.  A step
that needs a package which is not there, or for which no time is left, is reported as not run.  Figures, logs
and a grid of samples go to bench/results/gpu, or to the folder that the environment variable OUT names.
This file itself needs nothing but Python.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from cgan_raw.files import write_atomically

CHECKOUT = Path(__file__).resolve().parent.parent
ITERATIONS = 20_000
RESULTS = ("kernels-gpu.json", "iteration-gpu.json")  # what bench.report reads

_BUDGET = 500  # seconds for all steps
_LEAST = 10  # seconds without which a step is not begun
_GRACE = 10  # seconds to end in order when the time is over
_MOST_BYTES = 16 * 2**20  # of a file that is kept
_PACKAGES = {"PIL": "Pillow", "pytest_benchmark": "pytest-benchmark"}  # those not named as they are imported

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


class NotProven(Exception):  # noqa: N818  no error
    """A step ended well, but what it was to show was not looked at."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Parameters
    ----------
    command : arguments of the interpreter, run in the checkout; ``{work}`` is a folder for what it makes.
    limit : seconds.
    needs : modules without which it cannot run.
    figures : the folder -> what to keep; ``note`` is for the table.  Raises NotProven, or anything else if
        what the step should have made is not there.
    logged : keep what it prints in a file of its own.
    """

    name: str
    command: tuple[str, ...]
    limit: float
    needs: tuple[str, ...] = ()
    figures: Callable[[Path], dict] = lambda work: {}
    logged: bool = True


@dataclass
class Result:
    """What came of a step."""

    name: str
    status: str
    note: str
    seconds: float = 0.0
    figures: dict = field(default_factory=dict)


def main() -> int:
    """Exit code: 0, 1 something failed."""
    out = Path(os.environ.get("OUT") or CHECKOUT / "bench" / "results" / "gpu")
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through every finally
    with tempfile.TemporaryDirectory() as work:
        results = run(STEPS, out, Path(work))
    print(f"\n{table(results)}\n\nfigures, logs and samples: {out}")
    return 1 if any(result.status == FAILED for result in results) else 0


def run(steps: Sequence[Step], out: Path, work: Path, budget: float = _BUDGET) -> list[Result]:
    """Do one step after the other; what is known is in ``out`` after each."""
    end = time.monotonic() + budget
    results = []
    for name in ("figures.json", "samples.png", *RESULTS, *(f"{step.name}.log" for step in steps)):
        (out / name).unlink(missing_ok=True)  # an earlier run's
    for step in steps:
        print(f"{step.name} ...", flush=True)
        result = _one(step, work, end - time.monotonic())
        print(f"{step.name}: {result.status}, {result.note}", flush=True)
        results.append(result)
        _publish(step, results, out, work)
    return results


def _one(step: Step, work: Path, left: float) -> Result:
    missing = [_PACKAGES.get(name, name) for name in step.needs if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return Result(step.name, NOT_RUN, f"{', '.join(missing)} {verb} not installed")
    if left < _LEAST:
        return Result(step.name, NOT_RUN, f"{max(left, 0):.0f} s are left of the time for all")
    started = time.monotonic()
    log = work / f"{step.name}.log"
    code = _process(step, work, log, min(step.limit, left))
    result = Result(step.name, PASSED, "", time.monotonic() - started)
    try:
        result.figures = step.figures(work)
        result.note = result.figures.pop("note", "")
    except NotProven as reason:
        result.status, result.note = NOT_RUN, str(reason)
    except Exception as error:  # whatever a half-made or missing file leads to
        result.status, result.note = FAILED, f"made no figures ({type(error).__name__}: {error})"
    if code is None and left < step.limit:
        result.status, result.note = NOT_RUN, f"cut short: {left:.0f} s were left for it, of {step.limit:.0f}"
    elif code is None:
        result.status, result.note = FAILED, f"not done after {step.limit:.0f} s; {_last_line(log)}"
    elif code != 0:
        note = result.note if result.status == PASSED and result.note else _last_line(log)
        result.status, result.note = FAILED, f"exit code {code}; {note}"
    return result


def _process(step: Step, work: Path, log: Path, limit: float) -> int | None:
    """Run a step's command; its exit code, or None if its time was over.  Nothing that it started is left."""
    command = [sys.executable, *(word.replace("{work}", str(work)) for word in step.command)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            return None
        finally:
            _end_group(process)


def _end_group(process: subprocess.Popen) -> None:
    """The command and whatever it started are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it printed nothing")


def _publish(step: Step, results: list[Result], out: Path, work: Path) -> None:
    """Keep a step's log, the samples, what the report reads, and all results up to now."""
    log, samples = work / f"{step.name}.log", work / "train" / "samples" / f"{ITERATIONS:06d}.png"
    if step.logged and log.exists():
        write_atomically(out / log.name, log.read_bytes()[-_MOST_BYTES:])
    if samples.exists():
        write_atomically(out / "samples.png", samples.read_bytes())
    for name in RESULTS:
        if (work / name).exists():
            write_atomically(out / name, (work / name).read_bytes())
    written = {"python": sys.version, "steps": [asdict(result) for result in results]}
    write_atomically(out / "figures.json", (json.dumps(written, indent=1) + "\n").encode())


def table(results: Sequence[Result]) -> str:
    """A line for each step, and how many of them passed, failed and did not run."""
    width = max(len(result.name) for result in results)
    lines = [f"{r.name:<{width}}  {r.status:<7}  {r.seconds:6.1f} s  {r.note}" for r in results]
    count = Counter(result.status for result in results)
    return "\n".join(
        [*lines, "", ", ".join(f"{count[status]} {status}" for status in (PASSED, FAILED, NOT_RUN))]
    )


# What the steps leave behind --------------------------------------------------------------------------------


def _measured(name: str) -> Callable[[Path], dict]:
    """The figures of a module of bench.gpu."""
    return lambda work: json.loads((work / f"{name}.json").read_text())


def _tested(name: str) -> Callable[[Path], dict]:
    """The figures of a step of pytest, which left NAME.xml."""
    return lambda work: _count(ElementTree.parse(work / f"{name}.xml"))


def _count(report: ElementTree.ElementTree) -> dict:
    """How many tests passed, and why others were skipped.  NotProven if none passed and none failed."""
    cases = list(report.iter("testcase"))
    skipped = Counter(skip.get("message") for case in cases for skip in case.iter("skipped"))
    bad = [
        f"{c.get('classname')}::{c.get('name')}"
        for c in cases
        if c.find("failure") is not None or c.find("error") is not None
    ]
    passed = len(cases) - len(bad) - skipped.total()
    reasons = "".join(f"; {count} skipped: {reason}" for reason, count in skipped.items())
    if not passed and not bad:
        raise NotProven(f"no test ran{reasons}")
    note = f"{passed} tests passed, {len(bad)} failed{reasons}"
    return {"note": note, "passed": passed, "failed": bad, "skipped": dict(skipped)}


def _trained(folder: str) -> Callable[[Path], dict]:
    """The time and the last losses of a whole run.  ValueError if it is not whole."""

    def figures(work: Path) -> dict:
        last = json.loads((work / folder / "metrics.jsonl").read_text().splitlines()[-1])
        if last["iteration"] != ITERATIONS:
            raise ValueError(f"it ended at iteration {last['iteration']}")
        return {"note": f"{ITERATIONS:,} iterations in {last['seconds']:.2f} s", **last}

    return figures


def _compared(work: Path) -> dict:
    """Milliseconds of an iteration by each implementation, and why others are not there."""
    results = json.loads((work / "iteration-gpu.json").read_text())
    times = {name: 1e3 * median(times) for name, times in results["seconds_per_iteration"].items()}
    note = ", ".join(f"{name} {time:.3f} ms" for name, time in times.items())
    return {"note": note, "milliseconds": times, "skipped": results["skipped"]}


def _module(name: str, limit: float, needs=("cupy", "numpy"), logged: bool = True) -> Step:
    command = ("-m", f"bench.gpu.{name}", f"{{work}}/{name}.json")
    return Step(name, command, limit, needs, _measured(name), logged)


def _training(name: str, *flags: str) -> Step:
    flags = ("--device", "gpu", "--iterations", str(ITERATIONS), "--out", f"{{work}}/{name}", *flags)
    needs = ("cupy", "numpy", "PIL", "matplotlib", "safetensors", "tqdm")
    return Step(name, ("-m", "cgan_raw.train", *flags), 60, needs, _trained(name))


#: The tests' conftest.py above tests/gpu wants hypothesis, which these do without.
_PYTEST = ("-m", "pytest", "-v", "-p", "no:cacheprovider")
_TESTS = (*_PYTEST, "--confcutdir=tests/gpu", "--junitxml={work}/tests.xml", "tests/gpu")
_COMPARE = ("-m", "bench.compare_iterations", "--device=gpu", "--rounds=5", "--out={work}/iteration-gpu.json")

STEPS = (
    _module("device", 40, (), logged=False),  # all that it prints is a fault, which the table shows
    Step("tests", _TESTS, 240, ("pytest", "numpy", "cupy"), _tested("tests")),
    _training("train"),
    _training("train_tf32", "--tf32"),
    _module("iterations", 60),
    _module("kernels", 120, logged=False),
    Step("compare", _COMPARE, 120, ("cupy", "numpy"), _compared, logged=False),
)

if __name__ == "__main__":
    sys.exit(main())
