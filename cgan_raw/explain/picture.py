"""What a kernel's warps and its first block touch, drawn: sectors, banks, and the walk over the arrays."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ..kernels.launch import contract_parameters
from ..kernels.simt.trace import SECTOR, WARP, Access, Trace
from .subject import Subject
from .svg import MARGIN, WIDTH, Canvas, ramp

_ROOM = WIDTH - 2 * MARGIN
_BYTE = 3.0  # columns of a byte in a sector
_BANKS, _WORD = 32, 4
_CELL = 14.0  # rows of a cell
_LETTER = 6.1  # columns, of small text
_MOST_CELLS = 64  # in a row, and rows, of a tile that is drawn element by element


def picture(subject: Subject, found: Trace) -> str:
    """An SVG document."""
    canvas = Canvas()
    sizes = ", ".join(f"{name} = {size}" for name, size in subject.sizes.items())
    canvas.text(MARGIN, f"{subject.name}, {sizes}", "title")
    _sectors(canvas, found.of("global"))
    _banks(canvas, found.of("shared"))
    _walk(canvas, subject, found)
    _tile(canvas, subject, found)
    return canvas.document(subject.name)


def _part(canvas: Canvas, title: str, *lines: str) -> None:
    canvas.gap(16)
    canvas.text(MARGIN, title, "part")
    for line in lines:
        canvas.text(MARGIN, line)
    canvas.gap(4)


# A warp's request to global memory --------------------------------------------------------------------------


def _sectors(canvas: Canvas, accesses: Sequence[Access]) -> None:
    _part(
        canvas,
        "Sectors: what a request of a warp takes from global memory",
        "A frame is a sector of 32 bytes. Cells are what lanes ask for, by number; what is grey comes along.",
    )
    for access in _each_once(accesses):
        _caption(canvas, access, "sectors")
        _strip(canvas, access)
        canvas.gap(8)


def _caption(canvas: Canvas, access: Access, unit: str) -> None:
    what = f"{Path(access.file).name}:{access.line}: {access.kind} {access.array}".rstrip()
    units, fewest = access.units / access.requests, access.fewest / access.requests
    canvas.text(MARGIN, f"{what}, {access.width} bytes: {unit} {units:.3g}, fewest {fewest:.3g}")


def _each_once(accesses: Sequence[Access]) -> Iterator[Access]:
    """Of accesses that look alike, the first."""
    alike = {}
    for access in accesses:
        start = min((offset for _, offset in access.example), default=0)
        pattern = tuple((lane, offset - start) for lane, offset in access.example)
        alike.setdefault((access.file, access.line, access.kind, access.array, access.width, pattern), access)
    yield from alike.values()


def _strip(canvas: Canvas, access: Access) -> None:
    """The sectors of a request, in rows, and a gap where some lie between two."""
    lanes = defaultdict(list)
    for lane, offset in access.example:
        lanes[offset].append(lane)
    touched = sorted({s for at in lanes for s in range(at // SECTOR, (at + access.width - 1) // SECTOR + 1)})
    x, before, room = float(MARGIN), None, SECTOR * _BYTE
    for sector in touched:
        space = 0 if before is None else 4 if sector == before + 1 else 30
        if x + space + room > MARGIN + _ROOM:
            canvas.gap(_CELL + 4)
            x, space = float(MARGIN), 0
        x += space
        if space == 30:
            canvas.label(x - 24, canvas.y + 11, "...", "small")
        canvas.box(x, canvas.y, room, _CELL, "empty")
        for at, those in lanes.items():
            first, last = max(at, sector * SECTOR), min(at + access.width, (sector + 1) * SECTOR)
            if first < last:
                left = x + (first - sector * SECTOR) * _BYTE
                _lanes(canvas, left, canvas.y, (last - first) * _BYTE, those)
        canvas.box(x, canvas.y, room, _CELL, "frame")
        x, before = x + room, sector
    canvas.gap(_CELL)


def _lanes(canvas: Canvas, x: float, y: float, width: float, lanes: Sequence[int]) -> None:
    """A cell with its lane's number, or how many share it."""
    text = "" if width < 12 else str(lanes[0]) if len(lanes) == 1 else f"x{len(lanes)}"
    hint = f"lane {lanes[0]}" if len(lanes) == 1 else f"lanes {', '.join(map(str, lanes))}"
    canvas.cell(x + 0.5, y + 1, width - 1, _CELL - 2, lanes[0] / (WARP - 1), text, hint)


# A warp's request to shared memory --------------------------------------------------------------------------


def _banks(canvas: Canvas, accesses: Sequence[Access]) -> None:
    if not accesses:
        return
    _part(
        canvas,
        "Banks: what a request of a warp takes from shared memory",
        "A column is one of the 32 banks, a row a wavefront: it serves one word of each bank, to all lanes",
        "that want it. Accesses of 16 bytes go by quarters of a warp. The first word touched is in bank 0.",
    )
    origin = min((offset for access in accesses for _, offset in access.example), default=0)
    for access in _each_once(accesses):
        _caption(canvas, access, "wavefronts")
        for _, group in groupby(access.example, key=lambda pair: pair[0] * max(access.width, _WORD) // 128):
            _wavefronts(canvas, [(lane, offset - origin) for lane, offset in group], access.width)
        canvas.gap(8)


def _wavefronts(canvas: Canvas, example: Sequence[tuple[int, int]], width: int) -> None:
    words = defaultdict(list)
    for lane, offset in example:
        for word in range(offset // _WORD, (offset + width - 1) // _WORD + 1):
            words[word].append(lane)
    rows, side = defaultdict(int), _ROOM / _BANKS
    for word, lanes in sorted(words.items()):
        bank = word % _BANKS
        _lanes(canvas, MARGIN + bank * side, canvas.y + rows[bank] * _CELL, side, lanes)
        rows[bank] += 1
    height = max(rows.values()) * _CELL
    for bank in range(_BANKS):
        canvas.box(MARGIN + bank * side, canvas.y, side, height, "frame")
    canvas.gap(height + 2)


# The walk of a block ----------------------------------------------------------------------------------------


def _walk(canvas: Canvas, subject: Subject, found: Trace) -> None:
    walks = found.walk
    last = max((int(touches["interval"].max()) for touches in walks.values()), default=0)
    _part(
        canvas,
        "Walk: what block 0 touches of each array",
        "The colour says after how many barriers of its thread an element is first touched."
        if last
        else "There is no barrier between the first touches.",
    )
    if last:
        canvas.legend("0", f"{last} barriers")
    x, below = float(MARGIN), canvas.y
    for parameter in contract_parameters(subject.op, "float"):
        if parameter.name not in walks:
            continue
        shape = _shape(subject, parameter.name)
        elements = _elements(walks[parameter.name], parameter.dtype.itemsize, "interval")
        width, height = _scaled(*shape)
        label = f"{parameter.name} {shape[0]:,} x {shape[1]:,}"
        room = max(width, _LETTER * len(label))
        if x + room > MARGIN + _ROOM:
            x, canvas.y = float(MARGIN), below
        canvas.label(x, canvas.y + 11, label, "small")
        _array(canvas, x, canvas.y + 16, width, height, shape, elements, last)
        below = max(below, canvas.y + 16 + height + 8)
        x += room + 24
    canvas.y = below


def _shape(subject: Subject, name: str) -> tuple[int, int]:
    """Rows and columns; an array of one dimension is a row."""
    argument = next(a for a in subject.op.arguments if a.name == name)
    *rows, columns = argument.shape(subject.sizes)
    return math.prod(rows), columns


def _elements(touches: np.ndarray, itemsize: int, field: str) -> dict[int, int]:
    """Element -> ``field`` of whoever is the first there."""
    result = {}
    for touch in touches:
        first = int(touch["offset"]) // itemsize
        for element in range(first, first + max(int(touch["width"]) // itemsize, 1)):
            result.setdefault(element, int(touch[field]))
    return result


def _scaled(rows: int, columns: int) -> tuple[float, float]:
    """Columns and rows of the picture of an array: of its shape, unless that would be too thin to see."""
    scale = min(_ROOM / 2.2 / columns, 220 / rows, 12)
    return max(columns * scale, 24), max(rows * scale, 16)


def _array(canvas, x, y, width, height, shape, elements: dict[int, int], last: int) -> None:
    across, down = width / shape[1], height / shape[0]
    for value, top, left, rows, columns in _rectangles(elements, shape[1]):
        size = max(columns * across, 2), max(rows * down, 2)
        canvas.cell(x + left * across, y + top * down, *size, value / max(last, 1))
    canvas.box(x, y, width, height, "frame")


def _rectangles(elements: dict[int, int], width: int) -> list[tuple[int, int, int, int, int]]:
    """Elements of equal value as (value, top, left, rows, columns): runs in a row, and equal runs below it."""
    runs = []  # (value, left, columns, row)
    for index in sorted(elements):
        row, column = divmod(index, width)
        if runs and runs[-1] == (elements[index], runs[-1][1], column - runs[-1][1], row):
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1, row)
        else:
            runs.append((elements[index], column, 1, row))
    found = []
    for value, left, columns, row in sorted(runs):
        if found and found[-1] == (value, found[-1][1], left, row - found[-1][1], columns):
            found[-1] = (value, found[-1][1], left, found[-1][3] + 1, columns)
        else:
            found.append((value, row, left, 1, columns))
    return found


# Whose an element is ----------------------------------------------------------------------------------------


def _tile(canvas: Canvas, subject: Subject, found: Trace) -> None:
    """The elements of the first destination that block 0 makes, by thread."""
    parameter = contract_parameters(subject.op, "float")[0]
    if parameter.name not in found.walk:
        return
    touches = found.walk[parameter.name]
    threads = _elements(touches, parameter.dtype.itemsize, "thread")
    columns = _shape(subject, parameter.name)[1]
    if columns > _MOST_CELLS and max(threads) - min(threads) < len(threads):
        columns = WARP  # a stretch of memory
    places = {divmod(index, columns): thread for index, thread in threads.items()}
    top, left = (min(place[i] for place in places) for i in (0, 1))
    kept = {
        (row - top, column - left): thread
        for (row, column), thread in places.items()
        if row - top < _MOST_CELLS and column - left < _MOST_CELLS
    }
    some = "" if len(kept) == len(places) else f"; {len(kept)} of {len(places)} elements"
    _part(
        canvas,
        f"Threads: which one of block 0 makes an element of {parameter.name}",
        f"Numbers are threads, colours their warps{some}.",
    )
    side = min(_ROOM / (max(column for _, column in kept) + 1), 28)
    warp = ramp([thread // WARP for thread in kept.values()])
    for (row, column), thread in kept.items():
        text = str(thread) if side >= 4.6 * len(str(thread)) else ""
        place = MARGIN + column * side, canvas.y + row * _CELL
        canvas.cell(*place, side - 0.5, _CELL - 0.5, warp[thread // WARP], text)
    canvas.gap((max(row for row, _ in kept) + 1) * _CELL)
