"""What the report says about results: tables in Markdown, and a line on where and how each was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from cgan_raw.kernels.registry import FOLDERS

from .device import Peaks
from .peers import IMPLEMENTATIONS
from .tables import kernel_table, markdown, ms, roofline_share, roofs, shape

_BASE = "torch"  # what the others are compared with; on a GPU its name goes on
_ENOUGH = 0.8  # of the most images per second: from there on a line is flat
_TITLES = {
    "python": "Python",
    "numpy": "NumPy",
    "numba": "Numba",
    "numba-cuda": "numba-cuda",
    "cupy": "CuPy",
    "torch": "PyTorch",
    "jax": "JAX",
}


def place_of(results: dict) -> str:
    """What was measured: the GPU, or the processor and its vectors."""
    stamp = results["stamp"]
    if results.get("device") == "gpu":
        return stamp["gpu"]
    return ", ".join(filter(None, (stamp["device"], stamp.get("instructions"))))


def provenance(results: dict) -> str:
    """Devices, versions, date and commit, and whether others used the machine."""
    stamp = results["stamp"]
    places = (place_of(results), *([stamp["device"]] if results.get("device") == "gpu" else []))
    versions = ", ".join(f"{title} {stamp[key]}" for key, title in _TITLES.items() if stamp.get(key))
    commit = (stamp["commit"] or "unknown")[:12] + (" with changes" if stamp["dirty"] else "")
    return (
        f"{'; '.join(places)}; {versions}. "
        f"{stamp['date'][:10]}, commit {commit}, load average before it {stamp['load']:.2f}."
    )


def table(results: dict) -> str:
    """Whole iterations: a row for each implementation."""
    seconds, skipped = results["seconds_per_iteration"], results["skipped"]
    base_name = next((name for name in seconds if name.startswith(_BASE)), None)
    base = None if base_name is None else np.median(seconds[base_name])
    lines = [
        f"| implementation | ms per iteration | quartiles | images/s | time ({_label(_BASE)} = 1) |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, times in seconds.items():
        low, median, high = np.percentile(times, (25, 50, 75))
        ratio = "" if base is None else f"{median / base:.2f}"
        lines.append(
            f"| {_label(name)} | {ms(median)} | {ms(low)} to {ms(high)}"
            f" | {results['batch_size'] / median:,.0f} | {ratio} |"
        )
    lines += [f"| {_label(name)} | skipped: {reason} | | | |" for name, reason in skipped.items()]
    how = (
        f"Medians of {results['rounds']} turns of {results['iterations']} iterations, taken alternately; "
        f"batch {results['batch_size']}, float32 where a row does not say TF32. "
    )
    return "\n".join([*lines, "", how + provenance(results), ""])


def _label(name: str) -> str:
    return IMPLEMENTATIONS[name].label


def scaling_lines(results: dict) -> list[dict]:
    """A line for each implementation: what :func:`bench.plots.scaling` draws.

    ``images_per_second`` is by batch, ``ms`` by width; a point at which it was not timed is in neither.
    """
    points = results["points"]
    usual = points[0]["batch_size"]
    lines = []
    for name in dict.fromkeys(name for point in points for name in point["seconds_per_iteration"]):
        mine = [point for point in points if name in point["seconds_per_iteration"]]
        medians = [(p, float(np.median(p["seconds_per_iteration"][name]))) for p in mine]
        speed = {p["batch_size"]: p["batch_size"] / m for p, m in medians if p["width"] == 1}
        wide = {p["width"]: 1e3 * m for p, m in medians if p["batch_size"] == usual}
        best = max(speed.values(), default=None)
        bend = next((batch for batch, images in speed.items() if images >= _ENOUGH * best), None)
        lines.append({"label": _label(name), "images_per_second": speed, "bend": bend, "ms": wide})
    return lines


def scaling_faults(results: dict) -> list[str]:
    """Who could not go on at a point, and why; of several points the first."""
    faults = {}
    for point in results["points"]:
        for name, reason in point.get("skipped", {}).items():
            where = f"batch {point['batch_size']}, width x{point['width']}"
            faults.setdefault(name, []).append(f"{_label(name)} at {where}: {reason}")
    return [
        f"{first}, and at {len(others)} points more" if others else first for first, *others in faults.values()
    ]


def scaling_table(results: dict) -> str:
    """Where each implementation bends, and what width costs it; nothing where it was not timed."""
    lines, points = scaling_lines(results), results["points"]
    batches = [point["batch_size"] for point in points if point["width"] == 1]
    widths = [point["width"] for point in points if point["batch_size"] == batches[0]]
    ends = batches[0], batches[-1]
    heads = [
        "implementation",
        f"images/s at batch {ends[0]}",
        f"at batch {ends[1]}",
        f"bends at batch ({_ENOUGH:.0%} of its best)",
        *(f"time at width x{width}" for width in widths[1:]),
    ]
    cells = [
        [
            line["label"],
            *(f"{speed:,.0f}" if (speed := line["images_per_second"].get(batch)) else "" for batch in ends),
            str(line["bend"] or ""),
            *(_ratio(line["ms"].get(width), line["ms"].get(widths[0])) for width in widths[1:]),
        ]
        for line in lines
    ]
    return markdown(heads, cells, left=1)


def _ratio(time: float | None, base: float | None) -> str:
    return "" if time is None or base is None else f"{time / base:.1f}"


def with_peaks(results: dict) -> dict:
    """The same, its peaks as :class:`bench.device.Peaks` by place."""
    return results | {"peaks": {place: Peaks(**peaks) for place, peaks in results["peaks"].items()}}


def kernel_summary(rows: Sequence[dict], peaks: Peaks) -> str:
    """What each op folder is to an iteration: calls, work, and the time of what each backend launches.

    Parameters
    ----------
    rows : of one place, those without a time among them; a sum in which one of these belongs is not given.
    """
    used = [row for row in rows if row["default"] and row["calls"]]
    backends = list(dict.fromkeys(row["by"].split()[0] for row in used))
    heads = ["ops", "calls", "MFLOP", "MB"]
    for backend in backends:
        heads += [f"{backend}, us", "of roofline"]
    folders = sorted({row["folder"] for row in used}, key=FOLDERS.index)
    cells = [
        _summary(folder, [row for row in used if row["folder"] == folder], backends, peaks)
        for folder in folders
    ]
    return markdown(heads, [*cells, _summary("all", used, backends, peaks)], left=1)


def _summary(name: str, rows: Sequence[dict], backends: Sequence[str], peaks: Peaks) -> list[str]:
    """One line; work is the same for every backend, so it is counted for the first."""
    by = {backend: [row for row in rows if row["by"].split()[0] == backend] for backend in backends}
    calls, flop, bytes_ = (
        sum(row["calls"] * of(row) for row in by[backends[0]])
        for of in (lambda row: 1, lambda row: row["flop"], lambda row: row["bytes"])
    )
    line = [name, f"{calls:.0f}", f"{flop / 1e6:.2f}", f"{bytes_ / 1e6:.2f}"]
    for mine in by.values():
        line += _time(mine, peaks)
    return line


def _time(rows: Sequence[dict], peaks: Peaks) -> tuple[str, str]:
    """What the calls of some rows take in all, us, and the share of the least that it could be."""
    if not rows:
        return "", ""
    if any("seconds" not in row for row in rows):
        return "not all timed", ""
    taken = sum(row["calls"] * row["seconds"]["median"] for row in rows)
    least = [peaks.seconds(row["flop"], row["bytes"], row["precision"]) for row in rows]
    if None in least:
        return f"{1e6 * taken:,.0f}", ""
    whole = sum(row["calls"] * seconds for row, seconds in zip(rows, least, strict=True))
    return f"{1e6 * taken:,.0f}", f"{whole / taken:.0%}"


def above_roof(rows: Sequence[dict], peaks: dict[str, Peaks]) -> str:
    """A sentence, where the share of a row is more than there can be."""
    if all((roofline_share(row, peaks[row["place"]]) or 0) <= 1 for row in rows):
        return ""
    return " A share above 100% shows a peak that was measured too low; bench/NOTES.md says how."


def _untimed(results: dict) -> Iterator[list[str]]:
    for label, why in results.get("skipped", {}).items():
        yield ["", "", label, why]
    for row in results.get("untimed", []):
        yield [row["op"], shape(row), row["by"], row["reason"] or "the time was over"]


def kernel_page(results: dict) -> str:
    """Every row of results, a table for each op folder, and what was not timed."""
    peaks = results["peaks"]
    parts = [
        "# Every kernel at every shape of the networks",
        f"Medians of {results['rounds']} calls, each on empty caches. GB/s counts every array once, the least"
        " that can be moved; the roofline is the larger of what computing and what moving alone would take."
        + above_roof(results["rows"], peaks),
        f"{provenance(results)} Written by `make report`.",
        "  \n".join(roofs(peaks)),
    ]
    for folder, rows in groupby(results["rows"], key=lambda row: row["folder"]):
        parts += [f"## {folder}", markdown(*kernel_table(list(rows), peaks))]
    if untimed := [*_untimed(results)]:
        parts += ["## Not timed", markdown(("op", "shape", "by", "why"), untimed, left=4)]
    return "\n\n".join(parts) + "\n"
