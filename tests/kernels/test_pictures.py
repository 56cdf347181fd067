"""The pictures of who owns what in the dense products are true: a trace tells who stores what."""

import re

import numpy as np
import pytest
from headers import FOLDER

from cgan_raw.arguments import make_arguments
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt.trace import trace

ITEM = 4  # bytes of an element


def picture(file, first):
    """The lines of a file's picture from the one that has this text, up to an empty one."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    lines = [line.removeprefix("//") for line in text.splitlines()]
    start = next(i for i, line in enumerate(lines) if first in line)
    return lines[start : lines.index("", start)]


def owners(version, rows, columns):
    """The thread that stores each element of a tile, as the first block does."""
    op = ops()["dense_forward"]
    kernel = next(k for k in op.kernels if (k.backend, k.version) == ("cuda", version))
    sizes = {"M": rows, "N": columns, "K": 16}
    touches = trace(op, kernel, make_arguments(op, sizes, np.random.default_rng(0)), sizes).walk["y"]
    found = np.full(rows * columns, -1)
    for offset, width, thread in touches[["offset", "width", "thread"]].tolist():
        found[offset // ITEM : (offset + width) // ITEM] = thread
    return found.reshape(rows, columns)


def numbers(line):
    return [int(word) for word in re.findall(r"\d+", line)]


def test_register_tiled_marks_what_a_thread_owns():
    _, *lines = picture("dense/register_tiled.cuh", "b[0]        b[1]")
    columns = numbers(lines[0])[::2]
    rows = [numbers(line)[0] for line in lines if "#" in line]
    assert [line.count("#") for line in lines if "#" in line] == [len(columns)] * len(rows)
    expected = [(row, column) for row in rows for column in columns]
    assert np.argwhere(owners("register_tiled", 32, 64) == 0).tolist() == [list(at) for at in expected]


def test_warp_tiled_shows_warps_and_lanes():
    found, warps, lanes = owners("warp_tiled", 128, 128), [], []
    for line in picture("dense/warp_tiled.cuh", "column     0 to 63")[1:]:
        left, right = numbers(line[:40]), numbers(line[40:])
        if "warp" in line:
            warps.append(left)
        if "|" in line:
            lanes.append(right)
    assert warps == [[row, *(found[row, [0, 64]] // 32)] for row in range(0, 128, 32)]
    columns = [*range(0, 36, 4), 36, 60]
    assert lanes == [[row, *found[row, columns]] for row in (0, 4, 8, 12, 16, 28)]


@pytest.mark.parametrize("version", ["tensor_core", "tensor_core_3x"])
def test_tensor_core_shows_lanes(version):
    """Of c; the tile's first 16 x 8 are a fragment."""
    found, shown = owners(version, 32, 32), []
    head, *lines = picture("fragments.cuh", "a    k    0")
    for line in lines:
        row, lanes = numbers(line[:13]), numbers(line[head.index(" c ") :])
        if row and len(lanes) == 6:
            shown.append([*row, *lanes])
    assert shown == [[row, *found[row, [0, 1, 2, 3, 6, 7]]] for row in (0, 1, 7, 8, 15)]
