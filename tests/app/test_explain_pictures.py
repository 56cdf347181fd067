"""``explain`` shows the functions that matter, and its pictures show a conflict, a stride and a walk."""

import dataclasses
import os
from xml.etree import ElementTree

import pytest
from commands import call
from explained import SMALL, access, small

from cgan_raw.explain import __main__ as explain
from cgan_raw.explain import picture, source, subject, svg

# The source -------------------------------------------------------------------------------------------------


def test_functions_are_found():
    for name in subject.kernels():
        of = small(name)[0]
        found = [item for file in of.files for item in source.items(file)]
        (item,) = (item for item in found if item.name == of.written)
        assert of.written in item.lines[0], name
        assert item.lines[-1] == "}"
        assert item.file.read_text().splitlines()[item.first - 1] == item.lines[0]


BELOW = """
struct Pair { int a; };
inline int leaf(int i) { return i; }
int alone(int i) { return i; }
int leaf(int i, int j) { return leaf(i + j); }
"""
ABOVE = """
template <int N>
__device__ int middle(int i) {
    return leaf(i);
}
extern "C" __global__ void __launch_bounds__(256) top(int* y) {
    y[0] = middle<1>(alone(0));  // not Pair
}
"""


def test_shown_is_what_leads_to_an_access(tmp_path):
    below, above = files = tmp_path / "below.cuh", tmp_path / "above.cu"
    below.write_text(BELOW)
    above.write_text(ABOVE)
    found = [[(item.name, item.first, len(item.lines)) for item in source.items(file)] for file in files]
    assert found == [
        [("Pair", 2, 1), ("leaf", 3, 1), ("alone", 4, 1), ("leaf", 5, 1)],
        [("middle", 2, 4), ("top", 6, 3)],
    ]
    for place, shown in {
        (str(below), 3): ["leaf", "leaf", "middle", "top"],
        (str(below), 4): ["alone", "top"],
        (str(above), 7): ["top"],
        (str(above), 3): ["middle", "top"],
    }.items():
        assert [item.name for item in source.met(files, "top", {place})] == shown, place


def test_included_files_are_read_first(tmp_path, monkeypatch):
    (tmp_path / "included_files").mkdir()
    (tmp_path / "included_files" / "__init__.py").touch()
    (tmp_path / "included_files" / "cuda.cu").write_text(
        '// "b.cuh"\n#include "a.cuh"  // first\n#include "b.cuh"\n'
    )
    for name in ("a.cuh", "b.cuh"):
        (tmp_path / "included_files" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    of = small("adam_step")[0]
    of = dataclasses.replace(of, op=dataclasses.replace(of.op, package="included_files"))
    assert [file.name for file in of.files] == ["a.cuh", "b.cuh", "cuda.cu"]


# Pictures ---------------------------------------------------------------------------------------------------

RECT = "{http://www.w3.org/2000/svg}rect"


def cells(canvas):
    """Coloured rectangles: (x, y, width, height)."""
    drawn = [rect for rect in ElementTree.fromstring(canvas.document("test")).iter(RECT) if rect.get("fill")]
    return [tuple(float(rect.get(name)) for name in ("x", "y", "width", "height")) for rect in drawn]


@pytest.mark.parametrize(("stride", "rows"), [(1, 1), (2, 2), (8, 8), (32, 32), (33, 1)])
def test_a_row_is_a_wavefront(stride, rows):
    canvas = svg.Canvas()
    picture._wavefronts(canvas, [(lane, 4 * stride * lane) for lane in range(32)], 4)
    assert len({y for _, y, *_ in cells(canvas)}) == rows
    assert len(cells(canvas)) == 32


def test_lanes_that_want_one_word_share_a_cell():
    canvas = svg.Canvas()
    picture._wavefronts(canvas, [(lane, 4 * (lane // 16)) for lane in range(32)], 4)
    assert len(cells(canvas)) == 2
    assert canvas.document("").count(">x16<") == 2


@pytest.mark.parametrize(("stride", "sectors"), [(4, 4), (8, 8), (32, 32), (0, 1)])
def test_a_frame_is_a_sector(stride, sectors):
    canvas = svg.Canvas()
    picture._strip(canvas, access(0, 0, space="global", example=[(lane, stride * lane) for lane in range(32)]))
    assert canvas.document("").count('class="frame"') == sectors


def test_rectangles_cover_each_element_once():
    elements = {row * 10 + column: row // 3 for row in range(6) for column in (1, 2, 3, 7)} | {60: 0, 69: 1}
    covered = {}
    for value, top, left, rows, columns in picture._rectangles(elements, 10):
        for index in (10 * r + c for r in range(top, top + rows) for c in range(left, left + columns)):
            assert index not in covered
            covered[index] = value
    assert covered == elements
    assert len(picture._rectangles(elements, 10)) == 6


@pytest.mark.parametrize("name", ["dense_forward_register_tiled", "batch_gather", "dropout_forward"])
def test_all_is_drawn_within_the_picture(name):
    root = ElementTree.fromstring(picture.picture(*small(name)))
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in root.iter(RECT):
        x, y, *size = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + size[0] <= width
        assert y + size[1] <= height


def test_the_walk_is_that_of_the_tiles(tmp_path):
    """Block 0 of tiled takes 16 rows of x, 16 columns at a time, two barriers apart."""
    of, trace = small("dense_forward_tiled")
    intervals = picture._elements(trace.walk["x"], 4, "interval")
    assert intervals == {row * 33 + k: k // 16 * 2 for row in range(16) for k in range(33)}
    threads = picture._elements(trace.walk["y"], 4, "thread")
    assert threads == {row * 33 + column: 16 * row + column for row in range(16) for column in range(16)}
    assert trace.rounds == 4  # three tiles, and the bias
    file = tmp_path / "tiled.svg"
    assert call(explain.main, of.name, *SMALL, "--svg", file).code == 0
    assert file.read_text() == picture.picture(of, trace)
    assert os.listdir(tmp_path) == ["tiled.svg"]
