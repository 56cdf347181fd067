"""Rows of results as text: for a terminal, and for a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from .device import Peaks

_HEADS = ("op", "shape", "by", "us", "quartiles", "GFLOP/s", "GB/s", "roofline")
_HOST = "host us"  # only where it is another time
_LEFT = 3  # columns of words; the rest are figures


def kernel_table(rows: Sequence[dict], peaks: dict[str, Peaks]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells: a line for each row; op and shape stand in the first line of their own.

    Parameters
    ----------
    rows : as :func:`bench.kernels.measure` returns them.
    peaks : by place.
    """
    two_clocks = any(row["seconds"] != row["host_seconds"] for row in rows)
    lines = []
    for (op, _), group in groupby(rows, key=lambda row: (row["op"], row["sizes"])):
        for i, row in enumerate(group):
            names = (op, shape(row)) if i == 0 else ("", "")
            cells = [*names, row["by"], *_figures(row, peaks[row["place"]])]
            if two_clocks:
                cells.append(f"{1e6 * row['host_seconds']['median']:.1f}")
            lines.append(cells)
    return [*_HEADS, *([_HOST] if two_clocks else [])], lines


def shape(row: dict) -> str:
    return " ".join(f"{name}={size}" for name, size in row["sizes"].items())


def _figures(row: dict, peaks: Peaks) -> list[str]:
    seconds = row["seconds"]
    return [
        f"{1e6 * seconds['median']:.1f}",
        f"{1e6 * seconds['low']:.1f}-{1e6 * seconds['high']:.1f}",
        _giga(row["flop"] / seconds["median"]),
        _giga(row["bytes"] / seconds["median"]),
        percent(roofline_share(row, peaks)),
    ]


def _giga(value: float) -> str:
    return f"{value / 1e9:.1f}" if value >= 1e8 else f"{value / 1e9:.2g}"


def roofline_share(row: dict, peaks: Peaks) -> float | None:
    """The least time that the machine's roofs allow, over the time taken; None where a roof is not known."""
    least = peaks.seconds(row["flop"], row["bytes"], row["precision"])
    return None if least is None else least / row["seconds"]["median"]


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def iteration_table(rows: Iterable[dict]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells; a row has ``label``, ``device``, ``batch_size`` and the ``seconds`` of an iteration."""
    lines = []
    for row in rows:
        seconds = row["seconds"]
        times = (ms(seconds["median"]), f"{ms(seconds['low'])}-{ms(seconds['high'])}")
        lines.append([row["label"], row["device"], *times, f"{row['batch_size'] / seconds['median']:,.0f}"])
    return ["implementation", "on", "ms", "quartiles", "images/s"], lines


def ms(seconds: float) -> str:
    """Milliseconds: two digits behind the point, or four for what is faster than one."""
    return f"{1e3 * seconds:.{2 if seconds >= 1e-3 else 4}f}"


def roofs(peaks: dict[str, Peaks]) -> list[str]:
    """A line for each place: its roofs."""
    lines = []
    for place, peak in peaks.items():
        flop = ", ".join(f"{value / 1e9:,.1f} GFLOP/s {precision}" for precision, value in peak.flop.items())
        flop = flop or "FLOP/s not known"
        lines.append(f"roofline of the {place}, measured: {flop}; {peak.bytes / 1e9:,.1f} GB/s")
    return lines


def plain(heads: Sequence[str], lines: Sequence[Sequence[str]], left: int = _LEFT) -> str:
    """Aligned columns, the first ``left`` ones to the left."""
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, *lines)
    )


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]], left: int = _LEFT) -> str:
    """The same as a Markdown table."""
    rule = ["---" if i < left else "--:" for i in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, *lines)).replace(
        "\n", f"\n|{'|'.join(rule)}|\n", 1
    )
