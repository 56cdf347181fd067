"""Processes that a launcher such as mpiexec or srun has started: of what goes wrong, one of them speaks."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from ..errors import InputError

#: By launcher, the variables that hold how many processes it has started, and which one this is.
_LAUNCHERS = (
    ("PMI_SIZE", "PMI_RANK"),  # MPICH and its kin
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
)
_PATIENCE = 1.0  # seconds that the first process has to say what is wrong and to end the others


def check_alone() -> None:
    """InputError if a launcher has started several processes, none of which has been told of the others."""
    for size, _ in _LAUNCHERS:
        if _number(size, 1) > 1:
            raise InputError(
                f"{size} says that {os.environ[size]} processes were started: --distributed makes them train "
                f"one run; without {size}, each trains one of its own"
            )


def run_together(command: Callable[[], int]) -> int:
    """A command's exit code; as that of one of many processes, any but 0 ends all, with one message.

    What goes wrong mostly goes wrong in all of them, so the first one speaks, and the others hold back until it
    has had the time to end them.
    """
    launched = any(_number(size, 1) > 1 for size, _ in _LAUNCHERS)
    first = not any(_number(rank, 0) for _, rank in _LAUNCHERS)
    words = io.StringIO()
    with contextlib.nullcontext() if first else contextlib.redirect_stderr(words):
        code = _code(command)
    world = _world(launched) if code else None
    if code and not first:
        time.sleep(_PATIENCE)
        sys.stderr.write(words.getvalue())
    if world is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI would say that it was told to
        world.Abort(code)
    return code


def _number(variable: str, otherwise: int) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else otherwise


def _code(command: Callable[[], int]) -> int:
    try:
        return command()
    except Exception:
        if _world() is None:
            raise
        traceback.print_exc()
        return 1


def _world(launched: bool = False) -> Any:
    """MPI's communicator of all processes, if there are several; one that is not there yet, where launched."""
    if launched:
        with contextlib.suppress(ImportError, RuntimeError):
            importlib.import_module("mpi4py.MPI")
    mpi = sys.modules.get("mpi4py.MPI")
    return mpi.COMM_WORLD if mpi is not None and mpi.COMM_WORLD.size > 1 else None
