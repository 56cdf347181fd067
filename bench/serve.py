"""The child's side of :mod:`bench.turns`: ``python -m bench.serve NAME BATCH_SIZE WIDTH``.

Reads lines ``run N`` until its input ends and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TextIO

from cgan_raw import config

from .results import reason


def main(name: str, batch_size: str, width: str) -> None:
    # What a library prints must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        _serve(name, int(batch_size), int(width), answers)
    except Exception as error:
        print(json.dumps({"error": reason(error)}), file=answers, flush=True)
        raise


def _serve(name: str, batch_size: int, width: int, answers: TextIO) -> None:
    widen(width)
    from .peers import IMPLEMENTATIONS

    peer = IMPLEMENTATIONS[name].make(config.TrainConfig(batch_size=batch_size))
    for line in sys.stdin:
        iterations = int(line.removeprefix("run "))
        start = time.perf_counter()
        losses = peer.run(iterations)
        seconds = time.perf_counter() - start
        answer = {"seconds": seconds, "iteration": peer.iteration, "losses": losses.mean(axis=0).tolist()}
        print(json.dumps(answer), file=answers, flush=True)


def widen(factor: int) -> None:
    """Make the hidden layers so many times as wide, for whoever imports the widths from now on.

    Raises
    ------
    RuntimeError : the networks have been imported already, with the widths as they were.
    """
    if "cgan_raw.models" in sys.modules:
        raise RuntimeError("the widths are read already")
    for name in ("GENERATOR_WIDTHS", "DISCRIMINATOR_WIDTHS"):
        setattr(config, name, tuple(factor * width for width in getattr(config, name)))


if __name__ == "__main__":
    main(*sys.argv[1:])
