"""The child's side of :mod:`bench.turns`: ``python -m bench.peers.serve NAME BATCH_SIZE``.

Reads lines ``run N`` until its input ends and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time

from cgan_raw.config import TrainConfig

from . import IMPLEMENTATIONS


def main(name: str, batch_size: str) -> None:
    # What a library prints must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    peer = IMPLEMENTATIONS[name].make(TrainConfig(batch_size=int(batch_size)))
    for line in sys.stdin:
        iterations = int(line.removeprefix("run "))
        start = time.perf_counter()
        losses = peer.run(iterations)
        seconds = time.perf_counter() - start
        answer = {"seconds": seconds, "iteration": peer.iteration, "losses": losses.mean(axis=0).tolist()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
