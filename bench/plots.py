"""The figures of the report, drawn from results alone, without a display.  Each function returns a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from .device import Peaks
from .peers import IMPLEMENTATIONS

#: Okabe & Ito 2008: told apart by readers with any colour vision.  Markers differ too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_ROOF = "0.55"  # grey
_FRAMEWORKS = {"ours": "#0072B2", "torch": "#D55E00", "jax": "#009E73"}  # by the start of a module's name
_DPI = 110
_PALETTE = 128  # colours


def dense(rows: Sequence[dict], peaks: Peaks, title: str) -> bytes | None:
    """The ladder of each product over the layers of the networks, beside the experts and below the roof.

    None if no product is among the rows.
    """
    called = [row for row in rows if row["folder"] == "dense" and row["calls"]]
    products = [row for row in called if {"M", "N", "K"} <= set(row["sizes"])]
    ops = list(dict.fromkeys(row["op"] for row in products))
    if not ops:
        return None
    figure = Figure((12, 4.6), layout="constrained")
    figure.suptitle(f"Dense products at batch 32, operands not in the caches: {title}", fontsize="medium")
    panels = figure.subplots(1, len(ops), sharey=True, squeeze=False)[0]
    looks = _looks(products)
    for axes, op in zip(panels, ops, strict=True):
        mine = sorted((row for row in products if row["op"] == op), key=lambda row: row["flop"])
        layers = list(dict.fromkeys(_layer(row) for row in mine))
        least = {_layer(row): peaks.seconds(row["flop"], row["bytes"], "float32") for row in mine}
        if None not in least.values():
            roof = {_layer(row): row["flop"] / least[_layer(row)] / 1e9 for row in mine}
            axes.plot(range(len(layers)), [roof[at] for at in layers], color=_ROOF, label="roofline, float32")
        for label, look in looks.items():
            line = {_layer(row): _gflops(row) for row in mine if row["by"] == label}
            axes.plot([layers.index(at) for at in line], list(line.values()), label=label, **look)
        axes.set_title(op)
        axes.set_yscale("log")
        axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right")
        axes.set_xlabel("layer, inputs to outputs")
        axes.grid(True, which="major", alpha=0.3)
    panels[0].set_ylabel("GFLOP/s")
    figure.legend(*panels[-1].get_legend_handles_labels(), fontsize="small", loc="outside right upper")
    return _png(figure)


def _looks(products: Sequence[dict]) -> dict[str, dict]:
    """Colour and marker by version, the line by language; experts in black, and in grey where they round."""
    ours = dict.fromkeys(row["by"] for row in products if not row["expert"])
    versions = list(dict.fromkeys(label.partition(" ")[2] for label in ours))
    backends = list(dict.fromkeys(label.partition(" ")[0] for label in ours))
    looks = {}
    for label in ours:
        backend, _, version = label.partition(" ")
        i, first = versions.index(version), backend == backends[0]
        colour = _COLOURS[i % len(_COLOURS)]
        fill = {} if first else {"markerfacecolor": "none", "linestyle": ":"}
        looks[label] = {"color": colour, "marker": _MARKERS[i % len(_MARKERS)], **fill}
    experts = {row["by"]: row["precision"] for row in products if row["expert"]}
    for i, (label, precision) in enumerate(experts.items()):
        grey = "black" if precision == "float32" else "0.5"
        looks[label] = {"color": grey, "marker": _MARKERS[-1 - i % len(_MARKERS)], "linestyle": "--"}
    return looks


def _layer(row: dict) -> str:
    return f"{row['sizes']['K']} to {row['sizes']['N']}"


def _gflops(row: dict) -> float:
    return row["flop"] / row["seconds"]["median"] / 1e9


def roofline(rows: Sequence[dict], peaks: Peaks, title: str) -> bytes | None:
    """Every op at every shape, as training launches it, below the machine's measured roofs.

    None if no such op is among the rows.
    """
    points = [row for row in rows if row["default"] and row["flop"]]
    if not points:
        return None
    figure = Figure((8.5, 5.8), layout="constrained")
    axes = figure.subplots()
    backends = list(dict.fromkeys(row["by"].split()[0] for row in points))
    for i, (folder, group) in enumerate(groupby(points, key=lambda row: row["folder"])):
        for row in group:
            hollow = backends.index(row["by"].split()[0]) > 0
            colour = _COLOURS[i % len(_COLOURS)]
            axes.plot(
                row["flop"] / row["bytes"],
                _gflops(row),
                marker=_MARKERS[i % len(_MARKERS)],
                color=colour,
                markerfacecolor="none" if hollow else colour,
                linestyle="",
                alpha=0.8,
                label=None if hollow else folder,
            )
    _roofs(axes, peaks)
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), fontsize="small", loc="outside right upper")
    filled = f"; filled {backends[0]}, hollow {', '.join(backends[1:])}" if len(backends) > 1 else ""
    axes.set(xscale="log", yscale="log", xlabel="FLOP/byte, by the contracts", ylabel="GFLOP/s")
    axes.set_title(f"Every op at the networks' shapes, batch 32: {title}{filled}", fontsize="medium")
    axes.grid(True, which="major", alpha=0.3)
    return _png(figure)


def _roofs(axes, peaks: Peaks) -> None:
    found = [line.get_xdata()[0] for line in axes.lines]
    ends = [4 * flop / peaks.bytes for flop in peaks.flop.values()] or [2 * max(found)]
    x = np.geomspace(min(found) / 2, max(*found, *ends), 200)
    if not peaks.flop:
        axes.plot(x, x * peaks.bytes / 1e9, color=_ROOF, zorder=0)
    for (precision, flop), style in zip(peaks.flop.items(), ("-", "--"), strict=False):
        axes.plot(x, np.minimum(flop, x * peaks.bytes) / 1e9, color=_ROOF, linestyle=style, zorder=0)
        text = f"{flop / 1e9:,.0f} GFLOP/s {precision}"
        _note(axes, text, (x[-1], flop / 1e9))
    at = 3 * x[0]
    _note(axes, f"{peaks.bytes / 1e9:,.0f} GB/s", (at, 1.3 * at * peaks.bytes / 1e9))


def _note(axes, text: str, point: tuple[float, float]) -> None:
    """To the left of a point and above it."""
    place = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right", "va": "bottom"}
    axes.annotate(text, point, fontsize="small", **place)


def iteration(results: dict, title: str) -> bytes:
    """Medians of whole iterations, with quartiles."""
    times = results["seconds_per_iteration"]
    figure = Figure((8, 0.8 + 0.5 * len(times)), layout="constrained")
    axes = figure.subplots()
    for i, (name, seconds) in enumerate(times.items()):
        low, median, high = 1e3 * np.percentile(seconds, (25, 50, 75))
        error = [[median - low], [high - median]]
        axes.barh(i, median, xerr=error, color=_framework_colour(name), error_kw={"capsize": 3}, height=0.6)
        axes.annotate(f" {median:.3g} ms", (high, i), va="center", fontsize="small")
    axes.set_yticks(range(len(times)), [IMPLEMENTATIONS[name].label for name in times])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(f"ms per iteration at batch {results['batch_size']}: median and quartiles, less is better")
    axes.set_title(f"One training iteration: {title}", fontsize="medium")
    return _png(figure)


def scaling(lines: Sequence[dict], title: str) -> bytes:
    """Images per second over the batch, a ring where each line bends; and time over the width.

    Parameters
    ----------
    lines : as :func:`bench.summaries.scaling_lines` returns them.
    """
    figure = Figure((11, 4.4), layout="constrained")
    figure.suptitle(f"Speed over batch size, time over width: {title}", fontsize="medium")
    by_batch, by_width = figure.subplots(1, 2)
    for i, line in enumerate(lines):
        look = {"marker": _MARKERS[i % len(_MARKERS)], "color": _COLOURS[i % len(_COLOURS)]}
        speed, time = line["images_per_second"], line["ms"]
        by_batch.plot(list(speed), list(speed.values()), label=line["label"], **look)
        if speed:
            bend = line["bend"], speed[line["bend"]]
            by_batch.plot(*bend, "o", markersize=15, markerfacecolor="none", color=look["color"])
        by_width.plot(list(time), list(time.values()), label=line["label"], **look)
    _log_axis(by_batch, sorted({batch for line in lines for batch in line["images_per_second"]}))
    _log_axis(by_width, sorted({width for line in lines for width in line["ms"]}))
    by_batch.set(xlabel="batch size", ylabel="images/s")
    by_width.set(xlabel="hidden layers, times as wide", ylabel="ms per iteration at batch 32")
    handles = by_batch.get_legend_handles_labels()
    figure.legend(*handles, fontsize="small", title="ring: 80 % of its best", loc="outside right upper")
    return _png(figure)


def _log_axis(axes, values: Sequence[int]) -> None:
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(True, which="major", alpha=0.3)


def _framework_colour(name: str) -> str:
    module = IMPLEMENTATIONS[name].module
    return next(colour for start, colour in _FRAMEWORKS.items() if module.startswith(start))


def _png(figure: Figure) -> bytes:
    """With a palette: a third of the bytes, and no difference to see."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    Image.open(drawn).convert("RGB").quantize(_PALETTE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
