"""From --distributed to the ranks that train together."""

from __future__ import annotations

import os

from ..console.installing import how_to_install
from ..errors import InputError, explain
from ..ranks import Mpi

#: What --distributed can be: who adds up what ranks have computed.
KINDS = ("mpi", "nccl")

_THREADS = "NUMBA_NUM_THREADS"


def connect(kind: str) -> Mpi:
    """This process as one of those that a launcher has started.

    The cores of a host are divided among its ranks, unless the environment says how many threads each has.

    Raises
    ------
    InputError : there is no MPI here.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # no package, or no library for it to load
        what = f"mpi4py cannot be used: {explain(error)} ({how_to_install('mpi')})"
        raise InputError(f"--distributed {kind}: {what}") from None
    if kind == "nccl":
        from ..devices.nccl import Nccl

        ranks = Nccl(MPI.COMM_WORLD)
    else:
        ranks = Mpi(MPI.COMM_WORLD)
    mine = _cores()
    _, others = ranks.on_this_host(mine)
    os.environ.setdefault(_THREADS, str(max(1, len(mine) // sum(bool(mine & other) for other in others))))
    return ranks


def _cores() -> set[int]:
    """Those that this process may use: all of the host's, or what the launcher has given it."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))  # macOS
