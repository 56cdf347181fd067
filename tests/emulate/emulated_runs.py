"""Commands on the emulated GPU, as processes of their own, and what is told of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from commands import ENVIRONMENT, Outcome, losses, start
from emulated_gpu import report

SIMT, GPU = ("--device", "simt"), ("--device", "gpu")
#: A run that goes, with SHORT, through both graphs before its first pause and again after it.
FLAGS = ("--batch-size", 2, "--seed", 0, "--iterations", 6, "--out", "run")
OFTEN = ("--log-every", 3, "--sample-every", 3, "--checkpoint-every", 3)

#: The long graph has two iterations instead of fifty.
SHORT = """
from cgan_raw.kernels.gpu import Recorder
Recorder.LONG = 2
"""
#: CuPy's pool would hide that an array is used after its end: its memory is still the pool's.
NO_POOL = """
import cupy
cupy.cuda.set_allocator(None)
"""
_PATIENCE = 300  # seconds
_MAIN = """
import sys
from cgan_raw.{command}.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Run:
    """A command that has ended: the folder that it ran in, what it printed, what was reported."""

    folder: Path
    outcome: Outcome
    told: list[tuple[str, str]]

    def of(self, kind: str) -> list[str]:
        """What was reported of a kind (emulated_gpu/report.py)."""
        return [text for k, text in self.told if k == kind]

    def assert_in_order(self) -> None:
        """Nothing was undefined, refused or not emulated, and nothing went to the null stream."""
        assert [line for line in self.told if line[0] in ("problem", "refused", "null")] == []

    def files(self) -> dict[str, bytes]:
        """What the seed determines of a training run: checkpoint, samples, and losses."""
        run = self.folder / "run"
        paths = (run / "checkpoint.safetensors", *sorted(run.glob("samples/*.png")), run / "samples.gif")
        return {"losses": losses(run)} | {path.name: path.read_bytes() for path in paths}


def begin(folder: Path, command: str, *arguments: object, before: str = "") -> subprocess.Popen:
    """Start ``python -m cgan_raw.COMMAND ARGUMENTS`` in a folder, with some code run before."""
    path = folder / "report"
    path.unlink(missing_ok=True)
    ENVIRONMENT[report.VARIABLE] = str(path)
    try:
        return start("-c", before + _MAIN.format(command=command), *arguments, cwd=folder)
    finally:
        del ENVIRONMENT[report.VARIABLE]


def end(folder: Path, process: subprocess.Popen, code: int = 0) -> Run:
    """Wait for it."""
    try:
        out, err = process.communicate(timeout=_PATIENCE)
    finally:
        process.kill()
    result = Outcome(process.returncode, out, err)
    assert result.code == code, result
    return Run(folder, result, report.read(folder / "report"))


def run(folder: Path, command: str, *arguments: object, before: str = "", code: int = 0) -> Run:
    return end(folder, begin(folder, command, *arguments, before=before), code)


def at_once(folders: Iterable[Path], command: str, *arguments: tuple, before: str = "") -> list[Run]:
    """The same command in several folders, with other arguments in each, at the same time."""
    begun = [(f, begin(f, command, *a, before=before)) for f, a in zip(folders, arguments, strict=True)]
    return [end(*one) for one in begun]
