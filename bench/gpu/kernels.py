"""Every kernel at every shape of the networks, and the products on a large one, beside cuBLAS: ``python -m
bench.gpu.kernels FILE``.

The file is what ``make report`` reads.  It is there from the first kernel on and renewed after each, the
products first.  A kernel that fails, whatever it fails of, is in it with the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ..device import places, spread
from ..kernels import ROUNDS, Case, cases, describe, folder, kernel_results, ladder, measure
from ..results import CHECKOUT, keep, reason
from ..stamp import stamp


def main(out: Path) -> int:
    where, place = stamp(CHECKOUT), places()["gpu"]
    empty = spread(place.device_times(lambda: None, ROUNDS))["median"]

    def keep_rows(rows: list[dict], untimed: list[dict]) -> None:
        results = kernel_results(rows, {place.name: place.peaks}, where, untimed)
        keep(out, results | {"empty_seconds": empty})

    found = sorted(
        (case for case in cases() if case.place is place), key=lambda case: folder(case.op) != "dense"
    )
    return time_each([*ladder(place), *found], keep_rows)


def time_each(todo: list[Case], keep_rows: Callable[[list[dict], list[dict]], None]) -> int:
    """Time some cases, one after the other; 1 if one failed.

    Parameters
    ----------
    keep_rows : called after each with the rows, and with the cases that have none.
    """
    rows, failed = [], []
    for i, case in enumerate(todo, 1):
        try:
            rows.append(measure(case))
        except Exception as error:
            failed.append(describe(case) | {"reason": reason(error)})
            print(f"{case}: {failed[-1]['reason']}", flush=True)
        keep_rows([*rows], failed + [describe(later) | {"reason": None} for later in todo[i:]])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
