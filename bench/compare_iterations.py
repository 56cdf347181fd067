"""``python -m bench.compare_iterations``: our training iteration beside PyTorch's and JAX's, timed in turns.

``python -m bench.report`` makes a table of what lies in bench/results/.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from cgan_raw.config import CGAN, DCGAN, TrainConfig
from cgan_raw.console import cli

from .report import table
from .results import CHECKOUT, RESULTS, keep, tag
from .stamp import stamp
from .turns import PACES, default_device, positive, ready, take_turns


def main(argv: list[str] | None = None) -> int:
    given = _parse(argv)
    return cli.run(lambda: _compare(given.device or default_device(), given))


def _compare(device: str, given: argparse.Namespace) -> int:
    where, batch_size, pace = stamp(CHECKOUT), TrainConfig().batch_size, PACES[device]
    pace = replace(pace, iterations=given.iterations or pace.iterations)
    folder = RESULTS if given.model == CGAN else RESULTS / given.model
    out = given.out or folder / f"iteration-{tag(device, where)}.json"
    names, skipped = ready(device, where["load"], given.model)
    out.parent.mkdir(parents=True, exist_ok=True)  # fails now, not after measuring
    for times in take_turns(names, batch_size, given.rounds, pace):
        results = {
            "stamp": where,
            "device": device,
            "batch_size": batch_size,
            "rounds": times.rounds,
            "iterations": pace.iterations,
            "seconds_per_iteration": times.seconds,
            "skipped": skipped | times.dropped,
            "dropped": list(times.dropped),
        }
        keep(out, results)  # after each round: whoever ends this early has the rounds up to then
    print(table(results))
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare_iterations", description=(__doc__ or "").partition("\n")[0]
    )
    usual = ", ".join(f"{device} {pace.iterations}" for device, pace in PACES.items())
    parser.add_argument("--device", choices=PACES, help="gpu where there is one, else cpu")
    parser.add_argument("--model", choices=(CGAN, DCGAN), default=CGAN, help="what is trained (cgan)")
    parser.add_argument("--rounds", type=positive, default=30, help="turns for each implementation (30)")
    parser.add_argument("--iterations", type=positive, help=f"iterations in a turn ({usual})")
    parser.add_argument("--out", type=Path, help="JSON (bench/results/iteration-DEVICE.json)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
