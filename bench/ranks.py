"""``python -m bench.ranks``: what an iteration takes one rank and several, beside what it should take.

A rank computes its rows of a batch, and all add up what they have: time(N, B) should be that of one rank on
B / N rows, and that of the sums.  Ranks have one thread each, on the CPU; one rank iterates layer by layer, as
several do.  Each number of ranks is started anew in each round, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from cgan_raw.config import CGAN, MODELS, TrainConfig
from cgan_raw.console import cli
from cgan_raw.errors import InputError, TrainingError

from .results import CHECKOUT, RESULTS, keep, tag
from .scaling import BATCHES
from .stamp import stamp
from .tables import markdown, ms
from .turns import positive

_ITERATIONS = 640  # of one row; of a larger batch as many fewer
_FEWEST = 5


def main(argv: list[str] | None = None) -> int:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m bench.ranks", description=about)
    parser.add_argument("--ranks", type=positive, nargs="+", default=[2], help="how many, beside one (2)")
    parser.add_argument("--batches", type=positive, nargs="+", default=list(BATCHES), help="(32 to 4096)")
    parser.add_argument("--model", choices=MODELS, default=CGAN)
    parser.add_argument("--rounds", type=positive, default=5, help="of which the table has medians (5)")
    parser.add_argument("--out", type=Path, help="JSON (bench/results/ranks-cpu.json)")
    parser.add_argument("--as-rank", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    return cli.run(lambda: _as_rank(given) if given.as_rank else _measure(given))


def _measure(given: argparse.Namespace) -> int:
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        raise InputError("no mpiexec: pip install -e '.[dev]' has one")
    where, numbers, times = stamp(CHECKOUT), [1, *given.ranks], {}
    out = given.out or RESULTS / f"ranks-{tag('cpu', where)}.json"
    out.parent.mkdir(parents=True, exist_ok=True)  # fails now, not after measuring
    for round_ in range(1, given.rounds + 1):
        for number in numbers:
            batches = sorted({b // n for b in given.batches for n in numbers if b % n == 0})
            batches = [b for b in (batches if number == 1 else given.batches) if b % number == 0]
            for name, seconds in _round(mpiexec, number, batches, given.model).items():
                times.setdefault(str(number), {}).setdefault(name, []).append(seconds)
        print(f"round {round_} of {given.rounds}", flush=True)
        results = {"stamp": where, "device": "cpu", "model": given.model, "rounds": round_, "seconds": times}
        keep(out, results)  # after each round, so that nothing is lost
    print(table(results))
    return 0


def _round(mpiexec: str, number: int, batches: list[int], model: str) -> dict[str, float]:
    """Seconds of an iteration by batch size, and under ``sums`` those of all that is added up in one."""
    command = [mpiexec, "-n", str(number), sys.executable, "-m", "bench.ranks", "--as-rank"]
    command += ["--model", model, "--batches", *map(str, batches)]
    threads = os.environ | {"NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=threads, stdout=subprocess.PIPE)
    if done.returncode:
        raise TrainingError(f"{number} ranks ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def _as_rank(given: argparse.Namespace) -> int:
    from cgan_raw.train.distributed import connect

    ranks = connect("mpi")  # before Numba, whose threads it counts

    from cgan_raw.data import load_training
    from cgan_raw.devices.choice import make_backend
    from cgan_raw.iteration import Iteration

    backend, dataset, found = ranks.distribute(make_backend("cpu")), load_training(), {}
    for batch in given.batches:
        config = TrainConfig(model=given.model, batch_size=batch)
        iteration = Iteration(backend, config, dataset, 1)
        run = backend.repeat(iteration.run)
        count = max(_FEWEST, _ITERATIONS // batch)
        found[batch] = _seconds(lambda run=run: run(1), count, ranks)
        if ranks.size > 1 and "sums" not in found:
            generator, discriminator = (p.flat_gradient for p in iteration.parameters.values())
            found["sums"] = _seconds(
                lambda arrays=(discriminator, discriminator, generator): list(map(ranks.ranks_mean, arrays)),
                _ITERATIONS // 32,
                ranks,
            )
    if ranks.rank == 0:
        print(json.dumps(found))
    return 0


def _seconds(run, count: int, ranks) -> float:
    """The median of some calls, which all ranks begin together; the first two are not counted."""
    seconds = []
    for _ in range(2 + count):
        ranks.agree(None)
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[2:])


def table(results: dict) -> str:
    """A row for each batch and number of ranks, in Markdown: what it took, what it should, and the gain."""
    medians = {
        number: {name: statistics.median(times) for name, times in found.items()}
        for number, found in results["seconds"].items()
    }
    alone, cells = medians["1"], []
    for number, found in medians.items():
        for batch, seconds in found.items():
            if number == "1" or batch == "sums":
                continue
            expected = alone[str(int(batch) // int(number))] + found["sums"]
            row = batch, number, ms(alone[batch]), ms(seconds), ms(expected), f"{alone[batch] / seconds:.2f}"
            cells.append([*row])
    heads = ["batch", "ranks", "one rank, ms", "ranks, ms", "by the model, ms", "times as fast"]
    return markdown(heads, cells, left=0)


if __name__ == "__main__":
    sys.exit(main())
