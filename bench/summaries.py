"""What the report says about results: tables in Markdown, and a line on where and how each was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from .device import Peaks
from .peers import IMPLEMENTATIONS
from .tables import kernel_table, markdown, ms, roofs

_BASE = "torch"  # what the others are compared with; on a GPU its name goes on
_ENOUGH = 0.8  # of the most images a second: from there on a line is flat
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
    """What was measured: the GPU, or the processor."""
    stamp = results["stamp"]
    return stamp["gpu"] if results.get("device") == "gpu" else stamp["device"]


def provenance(results: dict) -> str:
    """Devices, versions, date and commit, and whether others used the machine."""
    stamp = results["stamp"]
    places = dict.fromkeys((place_of(results), stamp["device"]))
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
    """A line for each implementation: what :func:`bench.plots.scaling` draws."""
    points = results["points"]
    usual = points[0]["batch_size"]
    lines = []
    for name in points[0]["seconds_per_iteration"]:
        medians = [(p, float(np.median(p["seconds_per_iteration"][name]))) for p in points]
        speed = {p["batch_size"]: p["batch_size"] / m for p, m in medians if p["width"] == 1}
        wide = {p["width"]: 1e3 * m for p, m in medians if p["batch_size"] == usual}
        best = max(speed.values())
        lines.append(
            {
                "label": _label(name),
                "batches": list(speed),
                "images_per_second": list(speed.values()),
                "bend": next(batch for batch, images in speed.items() if images >= _ENOUGH * best),
                "widths": list(wide),
                "ms": list(wide.values()),
            }
        )
    return lines


def scaling_table(lines: Sequence[dict]) -> str:
    """Where each implementation bends, and what width costs it."""
    batches, widths = lines[0]["batches"], lines[0]["widths"]
    heads = [
        "implementation",
        f"images/s at batch {batches[0]}",
        f"at batch {batches[-1]}",
        f"bends at batch ({_ENOUGH:.0%} of its best)",
        *(f"time at width x{width}" for width in widths[1:]),
    ]
    cells = [
        [
            line["label"],
            f"{line['images_per_second'][0]:,.0f}",
            f"{line['images_per_second'][-1]:,.0f}",
            str(line["bend"]),
            *(f"{time / line['ms'][0]:.1f}" for time in line["ms"][1:]),
        ]
        for line in lines
    ]
    return markdown(heads, cells, left=1)


def with_peaks(results: dict) -> dict:
    """The same, its peaks as :class:`bench.device.Peaks` by place."""
    return results | {"peaks": {place: Peaks(**peaks) for place, peaks in results["peaks"].items()}}


def kernel_summary(rows: Sequence[dict], peaks: Peaks) -> str:
    """What each op folder is to an iteration: calls, work, and the time of what each backend launches."""
    used = [row for row in rows if row["default"] and row["calls"]]
    backends = list(dict.fromkeys(row["by"].split()[0] for row in used))
    heads = ["ops", "calls", "MFLOP", "MB"]
    for backend in backends:
        heads += [f"{backend}, us", "of roofline"]
    folders = dict.fromkeys(row["folder"] for row in used)
    cells = [
        _summary(folder, [row for row in used if row["folder"] == folder], backends, peaks)
        for folder in folders
    ]
    return markdown(heads, [*cells, _summary("all", used, backends, peaks)], left=1)


def _summary(name: str, rows: Sequence[dict], backends: Sequence[str], peaks: Peaks) -> list[str]:
    """One line; work is the same for every backend, so it is counted for the first."""
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        backend, calls = row["by"].split()[0], row["calls"]
        sums[backend] += calls * row["seconds"]["median"]
        sums[f"{backend} least"] += calls * peaks.seconds(row["flop"], row["bytes"], row["precision"])
        if backend == backends[0]:
            for what in ("flop", "bytes"):
                sums[what] += calls * row[what]
            sums["calls"] += calls
    line = [name, f"{sums['calls']:.0f}", f"{sums['flop'] / 1e6:.2f}", f"{sums['bytes'] / 1e6:.2f}"]
    for backend in backends:
        line += [f"{1e6 * sums[backend]:,.0f}", f"{sums[f'{backend} least'] / sums[backend]:.0%}"]
    return line


def kernel_page(results: dict) -> str:
    """Every row of results, a table for each op folder."""
    peaks = results["peaks"]
    parts = [
        "# Every kernel at every shape of the networks",
        f"Medians of {results['rounds']} calls, each on empty caches. GB/s counts every array once, the least"
        " that can be moved; the roofline is the larger of what computing and what moving alone would take.",
        f"{provenance(results)} Written by `make report`.",
        "  \n".join(roofs(peaks)),
    ]
    for folder, rows in groupby(results["rows"], key=lambda row: row["folder"]):
        parts += [f"## {folder}", markdown(*kernel_table(list(rows), peaks))]
    return "\n\n".join(parts) + "\n"
