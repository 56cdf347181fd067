"""A whole training run by the command: ``python -m bench.gpu.train FILE RUN SAMPLES [FLAG ...]``.

Its first iterations are logged one by one, and compared with those of the CPU as tests/golden/rounding.py has
it.  Then it goes on from its checkpoint to the end.  FILE is told what the comparison showed; RUN is the run
folder, and SAMPLES the file for its last grid.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from cgan_raw.config import TrainConfig
from cgan_raw.files.writing import write_atomically
from cgan_raw.runs import METRICS_FILE, read_metrics, sample_paths
from cgan_raw.train import __main__ as train

from ..results import CHECKOUT, keep

sys.path.append(str(CHECKOUT / "tests" / "golden"))
from rounding import ITERATIONS, SEED, TF32_TOLERANCE, TOLERANCE, differences, losses

_DEVICE = ("--device", "gpu")


def main(out: Path, run: Path, samples: Path, *flags: str) -> int:
    """The exit code of the command that failed, or 1 if the first losses are not the CPU's."""
    whole, first = TrainConfig(), ("--seed", SEED, "--iterations", ITERATIONS, "--log-every", 1, "--out", run)
    code = _train(*_DEVICE, *flags, *first)
    if code != 0:
        return code
    found = compare(read_metrics(run / METRICS_FILE), TF32_TOLERANCE if "--tf32" in flags else TOLERANCE)
    keep(out, found)
    rest = ("--resume", run, "--iterations", whole.iterations, "--log-every", whole.log_every)
    code = _train(*_DEVICE, *flags, *rest)
    for _, grid in sample_paths(run, whole.iterations)[-1:]:
        write_atomically(samples, grid.read_bytes())
    return code or (1 if found["failed"] else 0)


def _train(*flags: object) -> int:
    return train.main([str(flag) for flag in flags])


def compare(lines: list[dict], tolerance: float) -> dict:
    """How far the first losses are from the CPU's; ``failed`` says so if that is too far.

    Parameters
    ----------
    lines : of metrics, one for each of the first ``ITERATIONS`` iterations.
    tolerance : relative.
    """
    if [line["iteration"] for line in lines] != list(range(1, ITERATIONS + 1)):
        numbers = ", ".join(str(line["iteration"]) for line in lines)
        return {"failed": [f"of the first {ITERATIONS} iterations these have losses: {numbers}"]}
    found = np.array([[line["d_loss"], line["g_loss"]] for line in lines])
    difference = float(differences(found, losses(ITERATIONS))[-1])
    failed = []
    if not difference <= tolerance:
        failed = [f"the first {ITERATIONS} losses are {difference:.1e} from the CPU's, and not {tolerance:.0e}"]
    return {"largest_difference": difference, "tolerance": tolerance, "failed": failed}


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:4]), *sys.argv[4:]))
