"""How these tests start ranks."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from commands import ENVIRONMENT, Outcome

#: That of the environment, which goes with its mpi4py, else the system's.
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")

#: What a test starts trains by MPI on the CPU.
TRAIN = ("-m", "cgan_raw.train", "--distributed", "mpi", "--device", "cpu")

_ENVIRONMENT = ENVIRONMENT | {"NUMBA_NUM_THREADS": "1"}
_PATIENCE = 60  # seconds: ranks that wait for each other hang


def start(ranks: int, *arguments: object, cwd: Path) -> subprocess.Popen:
    """``mpiexec -n RANKS python ARGUMENTS`` as processes of their own."""
    command = [MPIEXEC, "-n", ranks, sys.executable, *arguments]
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen) -> Outcome:
    """Wait for them; none is left, whatever happens."""
    try:
        out, err = process.communicate(timeout=_PATIENCE)
        return Outcome(process.returncode, out, err)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def train(ranks: int, *flags: object, cwd: Path) -> Outcome:
    """A run of so many ranks, to its end."""
    return end(start(ranks, *TRAIN, *flags, cwd=cwd))
