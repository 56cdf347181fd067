"""The steps of :mod:`bench.gpu_check`, and what each leaves behind.  Like it, this needs nothing but Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple
from xml.etree import ElementTree

from cgan_raw.config import TrainConfig

_MARGIN = 1.5  # times the estimate: the limit


class NotProven(Exception):  # noqa: N818  no error
    """A step ended well, but what it was to show was not looked at."""


class Folders(NamedTuple):
    work: Path  #: for what nobody looks at afterwards
    out: Path  #: for what is kept


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Parameters
    ----------
    command : arguments of the interpreter, run in the checkout; ``{work}`` and ``{out}`` are the two folders.
    estimate : seconds that it is thought to take; with fewer left it is not begun.
    needs : modules without which it cannot run.
    keeps : files that it writes to ``out``, from its first result on.
    figures : the folders -> what to keep of what it has measured, whether it ended by itself or not.  Of these
        ``note`` is for the table, ``failed`` are the things that did, and ``unfinished`` is what was not done.
        Raises NotProven, or anything else if what the step should have made is not there.
    logged : keep what it prints in a file of its own.
    """

    name: str
    command: tuple[str, ...]
    estimate: float
    needs: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    figures: Callable[[Folders], dict] = lambda folders: {}
    logged: bool = True

    @property
    def limit(self) -> float:
        """Seconds after which it is ended."""
        return _MARGIN * self.estimate


# Training ---------------------------------------------------------------------------------------------------

#: Where the means of the last losses must lie.  Both networks are then near their equilibrium, in which D is
#: right about half of the time and each loss is near ln 2.  In runs on the CPU with the seeds 0, 1, 4 and 7 the
#: means of any 20 lines of metrics in a row, from iteration 2,000 on, lay within the second pair.
BAND = {
    "d_loss": (0.61, 0.71),  # 0.636 to 0.685
    "d_accuracy": (0.52, 0.65),  # 0.544 to 0.620
    "g_loss": (0.72, 1.00),  # 0.760 to 0.935
}
_LINES = 20


def trained(name: str) -> Callable[[Folders], dict]:
    """The time of a whole run, and what is wrong with its first losses or its last ones."""

    def figures(folders: Folders) -> dict:
        first = json.loads((folders.work / f"{name}.json").read_text())
        lines = (folders.work / name / "metrics.jsonl").read_text().splitlines()
        last = [json.loads(line) for line in lines[-_LINES:]]
        done, whole = last[-1]["iteration"], TrainConfig().iterations
        means = {key: fmean(line[key] for line in last) for key in BAND}
        shown = ", ".join(f"{key} {mean:.3f}" for key, mean in means.items())
        found = {
            "note": f"{done:,} iterations in {last[-1]['seconds']:.2f} s, at the end {shown}",
            "failed": first["failed"] + (_outside(means) if done == whole else []),
            "first_losses": first,
            "means_at_the_end": means,
            "last_line": last[-1],
        }
        return found if done == whole else found | {"unfinished": f"it ended at iteration {done:,}"}

    return figures


def _outside(means: dict[str, float]) -> list[str]:
    return [
        f"{key} is {means[key]:.3f} at the end, not {low} to {high}"
        for key, (low, high) in BAND.items()
        if not low <= means[key] <= high
    ]


def _training(name: str, samples: str, *flags: str, keeps: tuple[str, ...] = ()) -> Step:
    command = ("-m", "bench.gpu.train", f"{{work}}/{name}.json", f"{{work}}/{name}", samples, *flags)
    needs = ("cupy", "numpy", "numba", "PIL", "matplotlib", "safetensors", "tqdm")
    return Step(name, command, 40, needs, keeps, trained(name))


# Times ------------------------------------------------------------------------------------------------------


def measured(name: str) -> Callable[[Folders], dict]:
    """The figures of a module of bench.gpu that are figures of a step."""
    return lambda folders: json.loads((folders.work / f"{name}.json").read_text())


def compared(folders: Folders) -> dict:
    """Milliseconds of an iteration by each implementation, and why others are not there."""
    results = json.loads((folders.out / "iteration-gpu.json").read_text())
    skipped = results["skipped"]
    dropped = [f"{name}: {skipped[name]}" for name in results["dropped"]]
    times = {name: 1e3 * median(times) for name, times in results["seconds_per_iteration"].items()}
    shown = ", ".join(f"{name} {time:.3f} ms" for name, time in times.items())
    return {
        "note": "; ".join([f"{results['rounds']} rounds: {shown}", *dropped]),
        "failed": [why for why in dropped if why.startswith("ours")],  # a peer that fails is no fault of ours
        "rounds": results["rounds"],
        "milliseconds": times,
        "skipped": skipped,
    }


def timed(folders: Folders) -> dict:
    """How many kernels were timed, and why others were not."""
    results = json.loads((folders.out / "kernels-gpu.json").read_text())
    rows, untimed = results["rows"], results["untimed"]
    failed = [f"{_case(row)}: {row['reason']}" for row in untimed if row["reason"] is not None]
    note = f"{len(rows)} of {len(rows) + len(untimed)} kernels timed, {len(failed)} failed"
    empty = f"; nothing takes {1e6 * results['empty_seconds']:.1f} us"
    skipped = "".join(f"; {label} skipped: {reason}" for label, reason in results["skipped"].items())
    return {"note": note + empty + skipped, "failed": failed, "timed": len(rows), "skipped": results["skipped"]}


def _case(row: dict) -> str:
    return f"{row['op']} {row['sizes']} {row['by']}"


def _module(name: str, estimate: float, needs: tuple[str, ...] = ("cupy", "numpy")) -> Step:
    command = ("-m", f"bench.gpu.{name}", f"{{work}}/{name}.json")
    return Step(name, command, estimate, needs, figures=measured(name), logged=False)


# Tests ------------------------------------------------------------------------------------------------------

#: The tests' conftest.py above tests/gpu wants hypothesis, which these do without.
_PYTEST = ("-m", "pytest", "-v", "-p", "no:cacheprovider", "--continue-on-collection-errors")
_SANITIZERS = "tests/gpu/test_gpu_sanitizers.py"


def tested(name: str) -> Callable[[Folders], dict]:
    """The figures of a step of pytest, which left NAME.xml; after SIGINT it has the tests that ran."""
    return lambda folders: _count(ElementTree.parse(folders.work / f"{name}.xml"))


def _count(report: ElementTree.ElementTree) -> dict:
    """How many tests passed, and why others were skipped.  NotProven if none passed and none failed."""
    cases = [case for case in report.iter("testcase") if case.get("name")]  # one that was interrupted has none
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


def _tests(name: str, estimate: float, *what: str) -> Step:
    command = (*_PYTEST, "--confcutdir=tests/gpu", f"--junitxml={{work}}/{name}.xml", *what)
    return Step(name, command, estimate, ("pytest", "numpy", "cupy"), figures=tested(name))


_COMPARE = ("-m", "bench.compare_iterations", "--device=gpu", "--rounds=5", "--out={out}/iteration-gpu.json")
_KERNELS = ("-m", "bench.gpu.kernels", "{out}/kernels-gpu.json")

#: What is worth most comes first.  The estimates were made by reading, for a GPU of a data centre with 16 cores
#: beside it; none has been measured.  To compile takes 15 s, or 45 with Numba's kernels.  An iteration takes
#: 0.5 ms as a graph and 3 ms launch by launch, and a run writes a hundred grids of samples.  The comparison's
#: first turns take a minute, all at once; then nine implementations run some 1,000 iterations in each of five
#: rounds.  Each of nearly 500 kernels takes 0.1 s, each version of a large product 1 s, and each of nine runs
#: under a sanitizer 12 s.
STEPS = (
    _module("device", 20, ()),
    _training("train", "{out}/samples.png", keeps=("samples.png",)),
    _training("train_tf32", "{work}/samples.png", "--tf32"),
    Step("compare", _COMPARE, 160, ("cupy", "numpy"), ("iteration-gpu.json",), compared, logged=False),
    _module("iterations", 40),
    Step("kernels", _KERNELS, 125, ("cupy", "numpy"), ("kernels-gpu.json",), timed, logged=False),
    _tests("tests", 165, "tests/gpu", f"--ignore={_SANITIZERS}"),
    _tests("sanitizers", 110, _SANITIZERS),
)
