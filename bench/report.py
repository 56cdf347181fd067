"""``python -m bench.report``: renew README's section on speed, and the plots, from what lies in bench/results/.

It measures nothing.  The section stands between two markers; the rest of the file is not touched.  Beside the
plots lie the tables of all kernels, which are too long for README.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cgan_raw.console import cli
from cgan_raw.errors import InputError
from cgan_raw.files.writing import write_atomically

from . import plots, ranks
from .results import CHECKOUT, RESULTS, load, tag
from .summaries import (
    above_roof,
    kernel_page,
    kernel_summary,
    place_of,
    provenance,
    scaling_faults,
    scaling_lines,
    scaling_table,
    table,
    with_peaks,
)

BEGIN, END = "<!-- iteration table: begin -->", "<!-- iteration table: end -->"

Files = dict[str, bytes]  # by name, in the folder of the plots


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of JSON files")
    parser.add_argument("--readme", type=Path, default=CHECKOUT / "README.md", help="the file to renew")
    parser.add_argument("--plots", type=Path, default=CHECKOUT / "docs" / "bench", help="folder of the plots")
    given = parser.parse_args(argv)
    return cli.run(lambda: renew(given.readme, given.results, given.plots))


def renew(readme: Path, results: Path, folder: Path) -> int:
    """Write the plots, and put tables and links to the plots between the markers; 0.

    Raises
    ------
    InputError : no results, results that cannot be read, or not exactly one pair of markers; nothing is
        written.
    """
    link = os.path.relpath(folder, readme.parent)
    sections = [
        *load(results, "iteration", lambda found: _iteration(found, link)),
        *load(results, "scaling", lambda found: _scaling(found, link)),
        *load(results, "ranks", _ranks),
        *load(results, "kernels", lambda found: _kernels(with_peaks(found), link)),
    ]
    if not sections:
        raise InputError(f"{results}: no results; python -m bench.compare_iterations makes some")
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{readme}: {error.strerror}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end or BEGIN in rest or END in before + after:
        raise InputError(f"{readme}: needs one line {BEGIN} and after it one line {END}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {name: c for _, files in sections for name, c in files.items()}.items():
        write_atomically(folder / name, content)
    section = "\n".join(text for text, _ in sections)
    write_atomically(readme, f"{before}{begin}\n{section}{end}{after}".encode())
    return 0


def _tag(found: dict) -> str:
    return tag(found["device"], found["stamp"])


def _iteration(found: dict, link: str) -> tuple[str, Files]:
    name = f"iteration-{_tag(found)}.png"
    text = f"{place_of(found)}:\n\n{table(found)}\n![Time of an iteration by framework]({link}/{name})\n"
    return text, {name: plots.iteration(found, place_of(found))}


def _scaling(found: dict, link: str) -> tuple[str, Files]:
    name = f"scaling-{_tag(found)}.png"
    parts = [
        f"What a larger batch and wider hidden layers cost, {place_of(found)}:",
        scaling_table(found),
        *("; ".join(faults) + "." for faults in [scaling_faults(found)] if faults),
        f"Medians of {found['rounds']} turns. {provenance(found)}",
        f"![Cost against batch size and width]({link}/{name})\n",
    ]
    return "\n\n".join(parts), {name: plots.scaling(scaling_lines(found), place_of(found))}


def _ranks(found: dict) -> tuple[str, Files]:
    parts = [
        f"An iteration of a {found['model']} by ranks of one thread each, {place_of(found)}:",
        ranks.table(found),
        f"Medians of {found['rounds']} rounds. {provenance(found)}\n",
    ]
    return "\n\n".join(parts), {}


def _kernels(found: dict, link: str) -> tuple[str, Files]:
    device, name = found["device"], _tag(found)
    rows, untimed = (
        [row for row in part if row["place"] == device] for part in (found["rows"], found.get("untimed", []))
    )
    peaks, page = found["peaks"][device], f"kernels-{name}.md"
    if not rows:
        raise InputError("no kernel was timed")
    if name != device:
        return f"[Every kernel with {found['stamp']['instructions']}]({link}/{page}).\n", {
            page: kernel_page(found).encode()
        }
    drawn = {
        "The dense products and BLAS": (f"dense-{name}.png", plots.dense(rows, peaks, place_of(found))),
        "All ops below the roofline": (f"roofline-{name}.png", plots.roofline(rows, peaks, place_of(found))),
    }
    shown = {title: file for title, file in drawn.items() if file[1] is not None}
    short = f"{len(untimed)} of {len(rows) + len(untimed)} kernels were not timed. " if untimed else ""
    text = "\n".join(
        [
            "Where the time of an iteration goes, op by op (`pytest --benchmark-only` prints every kernel):",
            "",
            kernel_summary([*rows, *untimed], peaks),
            "",
            f"Each op by itself, its operands not in the caches, times its calls in an iteration. {short}"
            f"[Every kernel at every shape]({link}/{page}).{above_roof(rows, found['peaks'])} "
            f"{provenance(found)}",
            "",
            *(f"![{title}]({link}/{file})" for title, (file, _) in shown.items()),
            "",
        ]
    )
    return text, {**dict(shown.values()), page: kernel_page(found).encode()}


if __name__ == "__main__":
    sys.exit(main())
