"""``python -m bench.report``: renew the table in README.md from the measurements in bench/results/.

It measures nothing.  The table stands between two markers; the rest of the file is not touched.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from cgan_raw.errors import InputError
from cgan_raw.files import write_atomically

from .peers import IMPLEMENTATIONS

BEGIN, END = "<!-- iteration table: begin -->", "<!-- iteration table: end -->"
_CHECKOUT = Path(__file__).resolve().parent.parent
_BASE = "torch"  # what the others are compared with


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, default=_CHECKOUT / "bench" / "results", help="folder of JSON files"
    )
    parser.add_argument("--readme", type=Path, default=_CHECKOUT / "README.md", help="the file to renew")
    arguments = parser.parse_args(argv)
    try:
        renew(arguments.readme, arguments.results)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def renew(readme: Path, results: Path) -> None:
    """Put a table for each ``iteration-*.json`` of a folder between the markers of a file, in one step.

    Raises ------ InputError : no results, results that cannot be read, or not exactly one pair of markers;
    nothing is written.
    """
    files = sorted(results.glob("iteration-*.json"))
    if not files:
        raise InputError(f"{results}: no iteration-*.json; python -m bench.compare_iterations makes one")
    tables = "\n".join(_read_table(file) for file in files)
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{readme}: {error.strerror}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end or BEGIN in rest or END in before + after:
        raise InputError(f"{readme}: needs one line {BEGIN} and after it one line {END}")
    write_atomically(readme, f"{before}{begin}\n{tables}{end}{after}".encode())


def _read_table(file: Path) -> str:
    try:
        return table(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise InputError(f"{file}: not a result of bench.compare_iterations ({error!r})") from error


def table(results: dict) -> str:
    """Markdown: a row for each implementation, and a line on where and how it was measured."""
    seconds, skipped = results["seconds_per_iteration"], results["skipped"]
    base = np.median(seconds[_BASE]) if _BASE in seconds else None
    base_label = IMPLEMENTATIONS[_BASE].label
    lines = [
        f"| implementation | ms per iteration | quartiles | images/s | time ({base_label} = 1) |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, times in seconds.items():
        low, median, high = np.percentile(times, (25, 50, 75))
        ratio = "" if base is None else f"{median / base:.2f}"
        lines.append(
            f"| {IMPLEMENTATIONS[name].label} | {1e3 * median:.2f} | {1e3 * low:.2f} to {1e3 * high:.2f}"
            f" | {results['batch_size'] / median:,.0f} | {ratio} |"
        )
    lines += [
        f"| {IMPLEMENTATIONS[name].label} | skipped: {reason} | | | |" for name, reason in skipped.items()
    ]
    return "\n".join([*lines, "", _provenance(results), ""])


def _provenance(results: dict) -> str:
    stamp = results["stamp"]
    titles = {"python": "Python", "numpy": "NumPy", "numba": "Numba", "torch": "PyTorch", "jax": "JAX"}
    versions = ", ".join(f"{title} {stamp[key]}" for key, title in titles.items() if stamp[key])
    commit = (stamp["commit"] or "unknown")[:12] + (" with changes" if stamp["dirty"] else "")
    return (
        f"Medians of {results['rounds']} turns of {results['iterations']} iterations, taken alternately; "
        f"batch {results['batch_size']}, float32. {stamp['device']}; {versions}. "
        f"{stamp['date'][:10]}, commit {commit}, load average before it {stamp['load']:.2f}."
    )


if __name__ == "__main__":
    sys.exit(main())
