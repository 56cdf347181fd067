"""Timing implementations in turns, each in a process of its own.

In one process the thread pools of the frameworks get in each other's way: a pool spins for a while after its
work, waiting for more.  So each implementation lives in a child, which is blocked on its input while the others
run, and a short rest before each turn lets the pool of the previous one go to sleep.  Turns that alternate meet
the same disturbances by neighbours of the machine, so that the ratio of two medians is steadier than either.

A GPU that has rested clocks low, and so whoever is timed first works untimed for a while.  A child that ends,
answers something else than asked or does not answer is dropped with the reason, and the others go on.

The protocol, one line each way: the parent writes ``run N``; the child answers ``{"seconds": for all N,
"iteration": how many it has run in all, "losses": [d_loss, d_accuracy, g_loss] averaged over the N}``, or
``{"error": why it ends}``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from cgan_raw.config import CGAN
from cgan_raw.devices import gpu
from cgan_raw.errors import InputError, TrainingError

from .peers import IMPLEMENTATIONS

CHECKOUT = Path(__file__).resolve().parent.parent
_REST = 0.25  # seconds; OpenBLAS's threads, which spin longest, give up after about 0.1
_IDLE = 0.5  # load average
_PATIENCE = 10  # seconds for a child to end by itself
_LEFT_OUT = ("OPENBLAS_NUM_THREADS",)  # the tests set it to one; who is timed has all cores
_ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # JAX leaves the others some of the GPU's memory


@dataclass(frozen=True)
class Pace:
    """How implementations are timed on a device.

    Parameters
    ----------
    iterations : in a turn.
    warm_up : seconds, at least, of untimed turns before each that is timed.
    first_limit : seconds for the first turn, in which they are imported and compile, all at once.
    limit : seconds for any other turn.
    """

    iterations: int
    warm_up: float
    first_limit: float
    limit: float = 60


#: By device.  Most turns last a few tenths of a second.
PACES = {"cpu": Pace(20, 0.0, 600), "gpu": Pace(500, 0.5, 150)}


class Child:
    """One implementation in a process of its own.  A context manager: the process ends with it.

    Parameters
    ----------
    pace : its limits.
    width : how many times as wide as usual the hidden layers are.
    """

    def __init__(self, name: str, batch_size: int, pace: Pace, width: int = 1):
        self.name, self.done = name, 0
        self._limit, self._later_limit = pace.first_limit, pace.limit
        self._asked, self._received = 0.0, b""
        self._process = subprocess.Popen(
            _command(name, batch_size, width),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
            env={name: value for name, value in os.environ.items() if name not in _LEFT_OUT} | _ENVIRONMENT,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        self.end(_PATIENCE if kind is None else 0)

    def end(self, patience: float) -> None:
        """End the process: by itself within some seconds, or else at once."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def run(self, iterations: int) -> float:
        """Have it run so many iterations; what :meth:`answer` returns and raises."""
        self.ask(iterations)
        return self.answer()

    def ask(self, iterations: int) -> None:
        """Tell it to run so many iterations; :meth:`answer` waits for them."""
        self.done += iterations
        self._asked = time.monotonic()
        with suppress(BrokenPipeError):  # it has ended; there may be a line that says why
            self._process.stdin.write(f"run {iterations}\n".encode())
            self._process.stdin.flush()

    def answer(self) -> float:
        """The seconds that the iterations asked for took by the child's own clock.

        Raises
        ------
        RuntimeError : it ended or does not answer, or the answer is not the result of so many iterations.
        """
        line = self._line()
        self._limit = self._later_limit
        if not line:
            raise RuntimeError(f"its process ended with exit code {self._process.wait()}")
        try:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(answer["error"])
            seconds, iteration, losses = (answer[key] for key in ("seconds", "iteration", "losses"))
            d_loss, d_accuracy, g_loss = losses
            trains = 0 < d_loss < math.inf and 0 <= d_accuracy <= 1 and 0 < g_loss < math.inf
            if not 0 < seconds < math.inf:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise RuntimeError(f"it answered {line[:100]!r}") from None
        if iteration != self.done:
            raise RuntimeError(f"at iteration {iteration}, expected {self.done}")
        if not trains:
            raise RuntimeError(f"losses {losses} by iteration {self.done}")
        return seconds

    def _line(self) -> str:
        """Its next line, or nothing if it has ended."""
        end = self._asked + self._limit
        while b"\n" not in self._received:
            left = max(0.0, end - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise RuntimeError(f"no answer after {self._limit:g} s")
            received = os.read(self._process.stdout.fileno(), 2**16)
            if not received:
                return ""
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(errors="replace")


def _command(name: str, batch_size: int, width: int) -> list[str]:
    return [sys.executable, "-m", "bench.serve", name, str(batch_size), str(width)]


@dataclass(frozen=True)
class Times:
    """What some rounds have shown.

    Parameters
    ----------
    seconds : of an iteration, by name, one value per round.
    dropped : the names that could not go on, and why; nothing is kept of their times.
    """

    rounds: int
    seconds: dict[str, list[float]]
    dropped: dict[str, str]


def take_turns(
    names: Sequence[str], batch_size: int, rounds: int, pace: Pace, width: int = 1, show=print
) -> Iterator[Times]:
    """Time each name in turns; all that is known, after each round.

    A round is one turn for each name; before the first all have an untimed one, in which they compile and
    allocate.  Each round starts with another name, so that none always follows the same one.

    Raises
    ------
    TrainingError : no child can go on.
    """
    with ExitStack() as stack:
        turns = _Turns(
            [stack.enter_context(Child(name, batch_size, pace, width)) for name in names], pace, show
        )
        turns.begin()
        for round_ in range(1, rounds + 1):
            turns.take(first=round_)
            latest = ", ".join(f"{name} {1e3 * times[-1]:.3f} ms" for name, times in turns.seconds.items())
            show(f"round {round_} of {rounds}: {latest}")
            yield Times(round_, {name: list(s) for name, s in turns.seconds.items()}, dict(turns.dropped))


class _Turns:
    """The children that are left, and what they have shown."""

    def __init__(self, children: list[Child], pace: Pace, show):
        self._children, self._pace, self._show = children, pace, show
        self.seconds: dict[str, list[float]] = {child.name: [] for child in children}
        self.dropped: dict[str, str] = {}

    def begin(self) -> None:
        """An untimed turn of all at once."""
        for child in self._children:
            child.ask(self._pace.iterations)
        self._each(self._children, Child.answer)

    def take(self, first: int) -> None:
        """A round: a timed turn of each, one after the other."""
        first %= len(self._children)
        self._each(self._children[first:] + self._children[:first], self._turn)

    def _turn(self, child: Child) -> None:
        time.sleep(_REST)
        until = time.monotonic() + self._pace.warm_up
        while time.monotonic() < until:
            child.run(self._pace.iterations)
        self.seconds[child.name].append(child.run(self._pace.iterations) / self._pace.iterations)

    def _each(self, children: Sequence[Child], do: Callable[[Child], object]) -> None:
        """Whoever cannot do it is dropped; TrainingError if that is all of them."""
        for child in children:
            try:
                do(child)
            except RuntimeError as reason:
                child.end(0)
                self._children = [other for other in self._children if other is not child]
                self.dropped[child.name] = str(reason)
                del self.seconds[child.name]
                self._show(f"{child.name}: dropped, {reason}")
        if not self._children:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.dropped.items())
            raise TrainingError(f"nothing is left to time: {reasons}")


def default_device() -> str:
    """``"gpu"`` where there is one, else ``"cpu"``."""
    return "cpu" if gpu.fault() else "gpu"


def ready(device: str, load: float, model: str = CGAN) -> tuple[list[str], dict[str, str]]:
    """The names on a device that can train a model here, and of the others why they cannot, which the user is
    told.

    Raises
    ------
    InputError : nothing can.
    """
    names = [name for name, i in IMPLEMENTATIONS.items() if (i.device, i.model) == (device, model)]
    skipped = {name: reason for name in names if (reason := IMPLEMENTATIONS[name].missing())}
    if len(skipped) == len(names):
        raise InputError(next(iter(skipped.values()), f"nothing on {device} trains a {model}"))
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
