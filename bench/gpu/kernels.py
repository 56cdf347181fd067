"""Every kernel at every shape of the networks, beside cuBLAS.

What ``make report`` reads is written beside the figures, as ``kernels-gpu.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..device import places, spread
from ..kernels import ROUNDS, cases, kernel_results, measure
from ..results import CHECKOUT, keep
from ..stamp import stamp


def main(out: Path) -> int:
    where, place, rows, wrong = stamp(CHECKOUT), places()["gpu"], [], []
    for case in (case for case in cases() if case.place is place):
        try:
            rows.append(measure(case))
        except AssertionError as error:
            wrong.append(f"{case}: {error}")
    empty = spread(place.device_times(lambda: None, ROUNDS))["median"]
    keep(out.with_name("kernels-gpu.json"), kernel_results(rows, {place.name: place.peaks}, where))
    note = f"{len(rows)} kernels timed, {len(wrong)} wrong; nothing takes {1e6 * empty:.1f} us"
    out.write_text(json.dumps({"note": note, "wrong": wrong, "empty_seconds": empty}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
