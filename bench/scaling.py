"""``python -m bench.scaling``: what an iteration costs as the batch grows, and as the networks grow wider.

Batches from 32 to 4096 at the usual widths; hidden layers once, twice and four times as wide at batch 32.  Each
point is timed as :mod:`bench.compare_iterations` does, in turns, each implementation in its own process.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from cgan_raw.config import TrainConfig
from cgan_raw.console import cli

from .results import CHECKOUT, RESULTS, keep, tag
from .stamp import stamp
from .turns import PACES, default_device, positive, ready, take_turns

BATCHES = tuple(TrainConfig().batch_size * 2**i for i in range(8))
WIDTHS = (1, 2, 4)


def points() -> list[tuple[int, int]]:
    """Batch size and width of each point; the usual network is the first of both lines."""
    return [(batch, 1) for batch in BATCHES] + [(BATCHES[0], width) for width in WIDTHS if width > 1]


def iterations_at(usual: int, batch_size: int, width: int) -> int:
    """As many iterations as take about as long as twice so many of the usual ones.

    Work grows with the batch and with the square of the width.
    """
    return max(1, 2 * usual * BATCHES[0] // (batch_size * width**2))


def main(argv: list[str] | None = None) -> int:
    given = _parse(argv)
    return cli.run(lambda: _scale(given.device or default_device(), given.rounds, given.out))


def _scale(device: str, rounds: int, out: Path | None) -> int:
    where, pace, measured = stamp(CHECKOUT), PACES[device], {}
    out = out or RESULTS / f"scaling-{tag(device, where)}.json"
    names, skipped = ready(device, where["load"])
    out.parent.mkdir(parents=True, exist_ok=True)  # fails now, not after measuring
    for batch_size, width in points():
        print(f"batch {batch_size}, width x{width}", flush=True)
        here = replace(pace, iterations=iterations_at(pace.iterations, batch_size, width))
        for times in take_turns(names, batch_size, rounds, here, width):
            measured[batch_size, width] = {
                "batch_size": batch_size,
                "width": width,
                "iterations": here.iterations,
                "seconds_per_iteration": times.seconds,
                "skipped": times.dropped,  # here; at the next point they may go on
            }
            results = {"stamp": where, "device": device, "rounds": rounds, "points": list(measured.values())}
            keep(out, results | {"skipped": skipped})  # after each round, as in compare_iterations
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--device", choices=PACES, help="gpu where there is one, else cpu")
    parser.add_argument("--rounds", type=positive, default=3, help="turns at each point (3)")
    parser.add_argument("--out", type=Path, help="JSON (bench/results/scaling-DEVICE.json)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
