"""``make mutants``: plants each bug of planted.toml in a copy of the checkout, where its check must find it.

Every check is first seen to pass without any bug.  The exit code is 0 if all bugs were found, 1 if one was not,
2 if there is no bug of a name that was given.  Compiled kernels are kept beside the copy, never in the user's
caches; those of Numba, which watches a function's own file alone, are not kept across a bug in a kernel.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_LIMIT = 600  # seconds for a check
_FAILED = 1  # pytest's exit code where tests ran and one failed


class Check(NamedTuple):
    """What finds a bug: tests, by pytest's arguments, perhaps with a sanitizer in their process."""

    tests: str
    sanitizer: str = ""

    @property
    def command(self) -> list[str]:
        sanitized = ["-m", "cgan_raw.kernels.simt.sanitize", self.sanitizer] if self.sanitizer else []
        pytest = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        return [*sanitized, *pytest, *shlex.split(self.tests)]

    def verdict(self, done: subprocess.CompletedProcess) -> str:
        if done.returncode == 0:
            return "passes"
        # A sanitizer ends the process with a code of its own.
        reported = self.sanitizer and "\nSUMMARY: " in done.stderr
        if reported or done.returncode == _FAILED:
            return "fails"
        return f"cannot run, exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"


class Mutant(NamedTuple):
    """A bug: in ``file``, ``old``, which stands there exactly once, becomes ``new``."""

    name: str
    file: str
    old: str
    new: str
    check: Check

    def plant(self, text: str) -> str:
        """ValueError unless it can be."""
        if text.count(self.old) != 1:
            raise ValueError(f"does not apply: its text stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Those of planted.toml, in its order."""
    with (HERE / "planted.toml").open("rb") as file:
        found = tomllib.load(file)
    return [
        Mutant(name, path, bug["old"], bug["new"], Check(bug["check"], bug.get("sanitizer", "")))
        for path, bugs in found.items()
        for name, bug in bugs.items()
    ]


class Copy:
    """The files of a checkout in a folder of their own, where a bug can be planted and a check be run."""

    def __init__(self, root: Path, folder: Path):
        self._tree, self._caches = folder / "tree", folder / "caches"
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, capture_output=True, check=True
        )
        for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
            if (root / name).is_file() or (root / name).is_symlink():
                (self._tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self._tree / name, follow_symlinks=False)

    def outcome(self, check: Check, mutant: Mutant | None = None) -> str:
        """What a check does in the copy with a bug, or with none: ``passes``, ``fails``, or what went wrong."""
        if mutant is None:
            return self._run(check)
        file = self._tree / mutant.file
        text, as_it_was = file.read_text(encoding="utf-8"), file.stat()
        try:
            file.write_text(mutant.plant(text), encoding="utf-8")
            return self._run(check)
        except ValueError as error:
            return str(error)
        finally:
            file.write_text(text, encoding="utf-8")
            os.utime(file, ns=(as_it_was.st_atime_ns, as_it_was.st_mtime_ns))

    def _run(self, check: Check) -> str:
        environment = os.environ | {
            "PYTHONPATH": str(self._tree),
            "PYTHONDONTWRITEBYTECODE": "1",  # a file's time and length may be those of the one before
            "XDG_CACHE_HOME": str(self._caches),
        }
        try:
            done = subprocess.run(
                [sys.executable, *check.command],
                cwd=self._tree,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_LIMIT,
            )
        except subprocess.TimeoutExpired:
            return f"no end after {_LIMIT} s"
        return check.verdict(done)


def run(bugs: Iterable[Mutant], root: Path = ROOT, say: Callable[[str], None] = print) -> bool:
    """Whether each bug is found, by a check that passes without it; a line is said of each."""
    bugs = list(bugs)
    workers = min(os.cpu_count() or 1, len(bugs))
    with ExitStack() as stack:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for _ in range(workers):
            copies.put(Copy(root, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))))
        pool = ThreadPoolExecutor(workers)
        stack.callback(pool.shutdown, cancel_futures=True)

        def outcome(check: Check, bug: Mutant | None = None) -> tuple[str, float]:
            copy, started = copies.get(), time.perf_counter()
            try:
                return copy.outcome(check, bug), time.perf_counter() - started
            finally:
                copies.put(copy)

        checks = list(dict.fromkeys(bug.check for bug in bugs))
        before = dict(zip(checks, pool.map(outcome, checks), strict=True))
        wrong = {check: what for check, (what, _) in before.items() if what != "passes"}
        for check, what in wrong.items():
            say(f"WITHOUT A BUG  {shlex.join(check.command)}: {what}")
        ready, found = [bug for bug in bugs if bug.check not in wrong], 0
        outcomes = pool.map(outcome, (bug.check for bug in ready), ready)
        for bug, (what, seconds) in zip(ready, outcomes, strict=True):
            shown = {"fails": "found", "passes": "NOT FOUND"}.get(what, f"ERROR, {what}")
            say(f"{bug.name:<36} {seconds:5.1f} s  {shown}")
            found += what == "fails"
    say(f"{found} of {len(bugs)} planted bugs found")
    return found == len(bugs)


def main(names: list[str]) -> int:
    known = mutants()
    unknown = set(names) - {mutant.name for mutant in known}
    if unknown:
        print(f"no planted bug is called {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    started = time.perf_counter()
    found = run(mutant for mutant in known if not names or mutant.name in names)
    print(f"{time.perf_counter() - started:.0f} s")
    return 0 if found else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main(sys.argv[1:]))
