"""``python -m bench.compare_iterations``: our training iteration beside PyTorch's and JAX's, timed in turns.

``python -m bench.report`` makes a table of what lies in bench/results/.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cgan_raw.config import TrainConfig
from cgan_raw.files import write_atomically

from .peers import IMPLEMENTATIONS
from .report import table
from .stamp import stamp
from .turns import CHECKOUT, runnable, take_turns

_IDLE = 0.5  # load average
_OUT = CHECKOUT / "bench" / "results" / "iteration-cpu.json"


def main(argv: list[str] | None = None) -> int:
    arguments = _parse(argv)
    batch_size = TrainConfig().batch_size
    where = stamp(CHECKOUT)
    if where["load"] > _IDLE:
        print(f"load average {where['load']}: others use the cores too, and the figures will say little")
    names, skipped = runnable()
    for name, reason in skipped.items():
        print(f"{IMPLEMENTATIONS[name].label}: skipped, {reason}")
    seconds = take_turns(names, batch_size, arguments.rounds, arguments.iterations)
    results = {
        "stamp": where,
        "batch_size": batch_size,
        "rounds": arguments.rounds,
        "iterations": arguments.iterations,
        "seconds_per_iteration": seconds,
        "skipped": skipped,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(arguments.out, (json.dumps(results, indent=1) + "\n").encode())
    print(table(results))
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare_iterations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rounds", type=_positive, default=30, help="turns for each implementation (30)")
    parser.add_argument("--iterations", type=_positive, default=20, help="iterations in a turn (20)")
    parser.add_argument("--out", type=Path, default=_OUT, help="JSON (bench/results/iteration-cpu.json)")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
