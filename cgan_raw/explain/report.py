"""The report on a terminal: a kernel's source with counts, what follows from them, and kernels side by side."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..kernels.simt.trace import Trace
from .gpus import Gpu
from .source import Place, met
from .subject import Subject

_CODES = {"dim": "2", "bold": "1", "good": "32", "fair": "33", "poor": "31"}
_GUTTER = 6  # columns of a line's number
_GOOD = 1.005  # times the fewest possible: what three digits do not tell from 1
_NOT_MEASURED = "by published figures, measured nowhere"


def width() -> int:
    """Columns of the terminal, or 80."""
    return max(shutil.get_terminal_size((80, 24)).columns, 60)


class Paint:
    """Colours a text, or leaves it: where nobody sees colours, or where NO_COLOR (no-color.org) is set."""

    def __init__(self, on: bool | None = None):
        self.on = _seen() if on is None else on

    def __call__(self, text: str, how: str) -> str:
        return f"\x1b[{_CODES[how]}m{text}\x1b[0m" if self.on and text else text


def _seen() -> bool:
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


# A kernel ---------------------------------------------------------------------------------------------------


def report(
    subject: Subject, found: Trace, numbers: dict[str, Any], gpu: Gpu, columns: int, paint: Paint
) -> Iterator[str]:
    """The lines of a kernel's report."""
    yield from _wrapped(f"{paint(subject.name, 'bold')} with {_sizes(numbers)}", columns)
    yield f"Grid of {found.blocks:,}, block of {found.threads} threads."
    yield ""
    yield from source(subject, found, columns, paint)
    yield ""
    yield from _summary(numbers)
    yield ""
    yield from _bounds(numbers, gpu, columns, paint)


def _sizes(of: dict[str, Any]) -> str:
    return f"{', '.join(f'{name} = {size}' for name, size in of['sizes'].items())}: {of['why']}"


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, min(columns, 112))


def source(subject: Subject, found: Trace, columns: int, paint: Paint) -> Iterator[str]:
    """The functions that the trace meets; below each line what it asks of memory."""
    yield from _wrapped(
        "Below each line what it asks of memory: requests of a warp x lanes in one; sectors of 32 bytes, or "
        "wavefronts of shared memory, in one (and the fewest that there could be).",
        columns,
    )
    counts = _counts(found, paint)
    places = {frame for access in found.accesses for frame in access.frames}
    for file, group in groupby(met(subject.files, subject.written, places), key=lambda item: item.file):
        yield ""
        yield paint(f"kernels/{file.parent.name}/{file.name}", "bold")
        for item in group:
            yield ""
            for number, line in enumerate(item.lines, item.first):
                for i, part in enumerate(_folded(line, columns - _GUTTER)):
                    yield paint(f"{number if i == 0 else '':>4}", "dim") + f"  {part}".rstrip()
                yield from counts[str(file), number]


def _folded(line: str, room: int) -> list[str]:
    """A line of code in parts that fit, cut at spaces; those after the first are indented further."""
    indent = min(len(line) - len(line.lstrip()) + 8, room // 3)
    parts = []
    while len(line) > room:
        cut = line.rfind(" ", indent + 1, room + 1)
        cut = cut if cut > 0 else room
        parts.append(line[:cut])
        line = " " * indent + line[cut:].lstrip()
    return [*parts, line]


def _counts(found: Trace, paint: Paint) -> dict[Place, list[str]]:
    """By place in the source, a line for each thing that is done there."""
    what = list(_what(found))
    room, digits = (
        max(map(len, what), default=0),
        max((len(f"{a.requests:,}") for a in found.accesses), default=0),
    )
    lines = defaultdict(list)
    for access, text in zip(found.accesses, what, strict=True):
        unit = "sectors" if access.space == "global" else "wavefronts"
        lanes, units, fewest = (n / access.requests for n in (access.lanes, access.units, access.fewest))
        how = "good" if units <= _GOOD * fewest else "fair" if units <= 2 * _GOOD * fewest else "poor"
        asked = f"{'':{_GUTTER}}| {text:<{room}}  {access.requests:>{digits},} x {_short(lanes):>4}  "
        lines[access.file, access.line].append(asked + paint(f"{unit} {_short(units)} ({_short(fewest)})", how))
    return lines


def _what(found: Trace) -> Iterator[str]:
    """Of each access what it is; of those that are alike, from where, at the innermost call that differs."""
    alike = defaultdict(list)
    for access in found.accesses:
        alike[access.file, access.line, access.kind, access.array].append(access.frames)
    for access in found.accesses:
        others = alike[access.file, access.line, access.kind, access.array]
        levels = enumerate(access.frames)
        apart = [frame for i, frame in levels if any(frame not in other[i : i + 1] for other in others)]
        text = f"{access.kind} {access.array or 'shared'}"
        yield f"{text} ({_caller(apart[0], access.file)})" if apart else text


def _caller(frame: Place, here: str) -> str:
    file, line = frame
    return f"from {line}" if file == here else f"{Path(file).name}:{line}"


def _short(value: float) -> str:
    """Three digits, and none that say nothing."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _time(seconds: float) -> str:
    unit, scale = ("ns", 1e9) if seconds < 1e-6 else ("us", 1e6) if seconds < 1e-3 else ("ms", 1e3)
    return f"{_short(seconds * scale)} {unit}"


def _summary(of: dict[str, Any]) -> Iterator[str]:
    moved = ("asked", "in_sectors", "least")
    yield f"{'':<24}{'asked for':>14}{'in sectors':>14}{'the least':>14}"
    yield f"{'bytes, global memory':<24}" + "".join(f"{of['bytes'][name]:>14,}" for name in moved)
    yield f"{'  per ' + of['unit']:<24}" + "".join(f"{_short(of['per_unit'][name]):>14}" for name in moved)
    yield f"{'operations per byte':<24}" + "".join(f"{_short(of['intensity'][name]):>14}" for name in moved)
    per = ", ".join(f"{_short(n)} per {kind}" for kind, n in of["wavefronts_per_request"].items())
    yield f"{'shared memory':<24}{of['wavefronts']:,} wavefronts" + (f", {per}" if per else "")
    warp = f", and {of['warp_barriers']:,} of its warp" if of["warp_barriers"] else ""
    yield f"{'barriers per thread':<24}{of['barriers']:,}{warp}"
    yield f"{'divergent requests':<24}{of['divergent']:,} of {of['requests']:,}"


def _bounds(of: dict[str, Any], gpu: Gpu, columns: int, paint: Paint) -> Iterator[str]:
    yield from _wrapped(_held(of, gpu), columns)
    yield ""
    yield f"A launch takes at least, {_NOT_MEASURED}:"
    longest = _bound_by(of)
    for name, bound in of["bounds"].items():
        line = f"  {name:<22}{_time(bound['seconds']):>10}   {bound['why']}"
        yield paint(line, "bold") if name == longest else line
    yield f"Bound by {longest}."


def _held(of: dict[str, Any], gpu: Gpu) -> str:
    if of["compiled"] is None:
        return f"How many registers it needs on the {gpu.title} is not on file: make compile ARGS=--update"
    needs, held = of["compiled"], of["residency"]
    return (
        f"At {needs['registers']} registers per thread and {needs['shared']:,} bytes of shared memory per "
        f"block, a multiprocessor of the {gpu.title} holds {held['blocks']} blocks, {held['warps']} of "
        f"{gpu.warps} warps, and has no more {held['limit']}."
    )


def _bound_by(of: dict[str, Any]) -> str:
    return max(of["bounds"], key=lambda name: of["bounds"][name]["seconds"])


# Versions side by side --------------------------------------------------------------------------------------


def table(numbers: Sequence[dict[str, Any]], gpu: Gpu, columns: int) -> Iterator[str]:
    """Kernels as columns, in as many tables as the width asks for."""
    yield from dict.fromkeys(line for of in numbers for line in _wrapped(_sizes(of), columns))
    names = _without_common_start([of["kernel"] for of in numbers])
    cells = [[name, *_rows(of).values()] for name, of in zip(names, numbers, strict=True)]
    labels = ["", *_rows(numbers[0])]
    label_room = max(map(len, labels))
    ahead = cells
    while ahead:
        yield ""
        rooms, now = label_room, []
        while ahead and (not now or rooms + _room(ahead[0]) <= columns):
            rooms += _room(ahead[0])
            now.append(ahead[0])
            ahead = ahead[1:]
        for i, label in enumerate(labels):
            yield f"{label:<{label_room}}" + "".join(f"{column[i]:>{_room(column)}}" for column in now)
    yield ""
    yield from _wrapped(f"Times: what a launch on the {gpu.title} takes at least, {_NOT_MEASURED}.", columns)


def _room(column: Sequence[str]) -> int:
    return max(map(len, column)) + 2


def _without_common_start(names: Sequence[str]) -> list[str]:
    """``dense_forward_tiled`` beside ``dense_forward_naive`` is ``tiled``."""
    parts = [name.split("_") for name in names]
    same = next((i for i, words in enumerate(zip(*parts, strict=False)) if len(set(words)) > 1), 0)
    return ["_".join(words[same:]) for words in parts]


def _rows(of: dict[str, Any]) -> dict[str, str]:
    shared = of["wavefronts_per_request"]
    return {
        "blocks": f"{of['blocks']:,}",
        "threads of a block": str(of["threads"]),
        "global requests": f"{sum(a['requests'] for a in of['accesses'] if a['space'] == 'global'):,}",
        "bytes per": of["unit"],
        "  asked for": _short(of["per_unit"]["asked"]),
        "  in sectors": _short(of["per_unit"]["in_sectors"]),
        "  the least": _short(of["per_unit"]["least"]),
        "shared wavefronts": f"{of['wavefronts']:,}",
        **{f"  per {kind}": _short(shared[kind]) if kind in shared else "-" for kind in ("load", "store")},
        "barriers per thread": f"{of['barriers']:,}",
        "  of a warp": f"{of['warp_barriers']:,}",
        "divergent requests": f"{of['divergent']:,}",
        "registers": str(of["compiled"]["registers"]) if of["compiled"] else "-",
        "shared bytes": f"{of['compiled']['shared']:,}" if of["compiled"] else "-",
        "warps held": str(of["residency"]["warps"]) if of["compiled"] else "-",
        **{name: _time(bound["seconds"]) for name, bound in of["bounds"].items()},
        "bound by": _bound_by(of).partition(" ")[0],
    }
