"""``make mutants``: plants each bug of planted.py in a copy of the checkout, where its check must find it.

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
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from planted import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 600  # seconds for a check
_FAILED = 1  # pytest's exit code where tests ran and one failed


class Copy:
    """The files of a checkout in a folder of their own, where a bug can be planted and a check be run."""

    def __init__(self, root: Path, folder: Path):
        self._root, self._tree, self._caches = root, folder / "tree", folder / "caches"
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=root, capture_output=True, check=True
        )
        for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
            if (root / name).is_file():
                (self._tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self._tree / name)

    def outcome(self, check: Check, mutant: Mutant | None = None) -> str:
        """What a check does in the copy with a bug, or with none: ``passes``, ``fails``, or what went wrong."""
        if mutant is None:
            return self._run(check, "without")
        file = self._tree / mutant.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            return f"does not apply: its text stands {text.count(mutant.old)} times in {mutant.file}"
        try:
            file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
            in_kernels = mutant.file.startswith("kernels/") and mutant.file.endswith(".py")
            return self._run(check, mutant.name if in_kernels else "without")
        finally:
            shutil.copy2(self._root / mutant.file, file)

    def _run(self, check: Check, numba_cache: str) -> str:
        environment = os.environ | {
            "PYTHONPATH": str(self._tree),
            "PYTHONDONTWRITEBYTECODE": "1",  # a file's time and length may be those of the one before
            "XDG_CACHE_HOME": str(self._caches),
            "NUMBA_CACHE_DIR": str(self._caches / "numba" / numba_cache),
        }
        command = [sys.executable, *check.command]
        try:
            done = subprocess.run(
                command, cwd=self._tree, env=environment, capture_output=True, text=True, timeout=_LIMIT
            )
        except subprocess.TimeoutExpired:
            return f"no end after {_LIMIT} s"
        return check.verdict(done)


class Check:
    """A command that finds a bug: pytest, perhaps with a sanitizer in its process."""

    def __init__(self, mutant: Mutant):
        self.sanitizer = mutant.sanitizer
        sanitized = ["-m", "cgan_raw.kernels.simt.sanitize", self.sanitizer] if self.sanitizer else []
        pytest = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        self.command = (*sanitized, *pytest, *shlex.split(mutant.check))

    def verdict(self, done: subprocess.CompletedProcess) -> str:
        if done.returncode == 0:
            return "passes"
        # A sanitizer ends the process with a code of its own.
        reported = self.sanitizer and "\nSUMMARY: " in done.stderr
        if reported or done.returncode == _FAILED:
            return "fails"
        return f"cannot run, exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"


def run(mutants: Iterable[Mutant], root: Path = ROOT, say: Callable[[str], None] = print) -> bool:
    """Whether each bug is found, by checks that pass without it; a line is said of each."""
    mutants = list(mutants)
    workers = min(os.cpu_count() or 1, len(mutants))
    with ExitStack() as stack:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for _ in range(workers):
            copies.put(Copy(root, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))))
        pool = ThreadPoolExecutor(workers)
        stack.callback(pool.shutdown, cancel_futures=True)

        def outcome(check: Check, mutant: Mutant | None = None) -> tuple[str, float]:
            copy, started = copies.get(), time.perf_counter()
            try:
                return copy.outcome(check, mutant), time.perf_counter() - started
            finally:
                copies.put(copy)

        checks = {check.command: check for check in map(Check, mutants)}
        before = dict(zip(checks, pool.map(outcome, checks.values()), strict=True))
        wrong = {command: what for command, (what, _) in before.items() if what != "passes"}
        for command, what in wrong.items():
            say(f"WITHOUT A BUG  {shlex.join(command)}: {what}")
        ready = [mutant for mutant in mutants if Check(mutant).command not in wrong]
        found = 0
        for mutant, (what, seconds) in zip(
            ready, pool.map(lambda mutant: outcome(Check(mutant), mutant), ready), strict=True
        ):
            shown = {"fails": "found", "passes": "NOT FOUND"}.get(what, f"ERROR, {what}")
            say(f"{mutant.name:<40} {seconds:5.1f} s  {shown}")
            found += what == "fails"
    say(f"{found} of {len(mutants)} planted bugs found")
    return found == len(mutants)


def main(names: list[str]) -> int:
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        print(f"no planted bug is called {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    started = time.perf_counter()
    found = run(mutant for mutant in MUTANTS if not names or mutant.name in names)
    print(f"{time.perf_counter() - started:.0f} s")
    return 0 if found else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main(sys.argv[1:]))
