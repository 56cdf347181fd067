"""Timing implementations in turns, each in a process of its own.

In one process the thread pools of the frameworks get in each other's way: a pool spins for a while after its
work, waiting for more.  So each implementation lives in a child, which is blocked on its input while the others
run, and a short rest before each turn lets the pool of the previous one go to sleep.  Turns that alternate meet
the same disturbances by neighbours of the machine, so that the ratio of two medians is steadier than either.

The protocol, one line each way: the parent writes ``run N``; the child answers ``{"seconds": for all N,
"iteration": how many it has run in all, "losses": [d_loss, d_accuracy, g_loss] averaged over the N}``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from cgan_raw import gpu
from cgan_raw.errors import InputError

from .peers import IMPLEMENTATIONS

CHECKOUT = Path(__file__).resolve().parent.parent
#: Iterations in a turn, by device: a few tenths of a second for most.
TURN = {"cpu": 20, "gpu": 200}
_REST = 0.25  # seconds; OpenBLAS's threads, which spin longest, give up after about 0.1
_IDLE = 0.5  # load average
_PATIENCE = 10  # seconds for a child to end by itself
_LEFT_OUT = ("OPENBLAS_NUM_THREADS",)  # the tests set it to one; who is timed has all cores
_ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # JAX leaves the others some of the GPU's memory


class Child:
    """One implementation in a process of its own.  A context manager: the process ends with it.

    Parameters
    ----------
    width : how many times as wide as usual the hidden layers are.
    """

    def __init__(self, name: str, batch_size: int, width: int = 1):
        self.name, self.done = name, 0
        self._process = subprocess.Popen(
            _command(name, batch_size, width),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env={name: value for name, value in os.environ.items() if name not in _LEFT_OUT} | _ENVIRONMENT,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_) -> None:
        try:
            self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def run(self, iterations: int) -> float:
        """Have it run so many iterations; the seconds that they took by the child's own clock.

        Raises
        ------
        RuntimeError : it ended, or what it answers is not the result of so many iterations.
        """
        line = self._ask(f"run {iterations}")
        if not line:
            raise RuntimeError(f"{self.name}: its process ended with exit code {self._process.wait()}")
        answer = json.loads(line)
        self.done += iterations
        if answer["iteration"] != self.done:
            raise RuntimeError(f"{self.name}: at iteration {answer['iteration']}, expected {self.done}")
        if not all(math.isfinite(loss) for loss in answer["losses"]):
            raise RuntimeError(f"{self.name}: losses {answer['losses']} by iteration {self.done}")
        return answer["seconds"]

    def _ask(self, question: str) -> str:
        """Its answer, or nothing if it has ended."""
        try:
            print(question, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            return ""
        return self._process.stdout.readline()


def _command(name: str, batch_size: int, width: int) -> list[str]:
    return [sys.executable, "-m", "bench.serve", name, str(batch_size), str(width)]


def take_turns(
    names: list[str], batch_size: int, rounds: int, iterations: int, width: int = 1, show=print
) -> dict[str, list[float]]:
    """Seconds an iteration, one value a round, for each name.

    A round is one turn of ``iterations`` for each name; the first round, in which they compile and allocate, is
    not kept.  Each round starts with another name, so that none always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        children = [stack.enter_context(Child(name, batch_size, width)) for name in names]
        for round_ in range(rounds + 1):
            first = round_ % len(children)
            for child in children[first:] + children[:first]:
                time.sleep(_REST)
                spent = child.run(iterations) / iterations
                if round_ > 0:
                    seconds[child.name].append(spent)
            if round_ > 0:
                latest = ", ".join(f"{name} {1e3 * times[-1]:.2f} ms" for name, times in seconds.items())
                show(f"round {round_} of {rounds}: {latest}")
    return seconds


def default_device() -> str:
    """``"gpu"`` where there is one, else ``"cpu"``."""
    return "cpu" if gpu.fault() else "gpu"


def ready(device: str, load: float) -> tuple[list[str], dict[str, str]]:
    """The names on a device that can run here, and of the others why they cannot, which the user is told.

    Raises
    ------
    InputError : nothing can.
    """
    names = [name for name, i in IMPLEMENTATIONS.items() if i.device == device]
    skipped = {name: reason for name in names if (reason := IMPLEMENTATIONS[name].missing())}
    if len(skipped) == len(names):
        raise InputError(next(iter(skipped.values())))
    for name, reason in skipped.items():
        print(f"{IMPLEMENTATIONS[name].label}: skipped, {reason}")
    if load > _IDLE:
        print(f"load average {load}: others use the cores too, and the figures will say little")
    return [name for name in names if name not in skipped], skipped


def positive(text: str) -> int:
    """A number on a command line."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)
