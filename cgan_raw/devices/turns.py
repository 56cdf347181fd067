"""Threads of a process that compute at the same time: one at a time, each in its turn."""

from __future__ import annotations

import os
import threading


class Turns:
    """A context for one thread at a time; of those that wait, the one that came first is next.

    The CPU's kernels share a mailbox and scratch arrays (kernels/pool.py, kernels/dense/cpu.py), so whoever
    calls ops that belong together, an iteration or a draw, does so in here.

    A plain lock would not do: a thread that trains takes it back before one that waits has woken up.
    """

    def __init__(self):
        self._first_in_line, self._computing = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._first_in_line:
            self._computing.acquire()

    def __exit__(self, *_) -> None:
        self._computing.release()


#: Those of a process.
TURNS = Turns()

if hasattr(os, "register_at_fork"):  # the thread whose turn it was is not in the child
    os.register_at_fork(after_in_child=TURNS.__init__)
