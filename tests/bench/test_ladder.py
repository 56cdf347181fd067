"""The table of the ladder: its versions, what a trace lets expect of them, and what a GPU was seen to do."""

from itertools import pairwise

import pytest

from bench import kernels, ladder
from bench.device import places
from bench.results import keep
from cgan_raw.kernels.registry import ops


def row(by, seconds, **changes):
    found = {"op": "dense_forward", "sizes": kernels.LARGE, "place": "gpu", "by": by, "flop": 2e12}
    return found | {"seconds": {"median": seconds}} | changes


def cells(folder):
    """By version, the table's last two cells."""
    rows = [[cell.strip() for cell in line.split("|")] for line in list(ladder.lines(folder))[2:]]
    return {cell[1].partition("]")[0].removeprefix("["): tuple(cell[-3:-1]) for cell in rows}


def test_rungs_are_the_versions_up_to_the_branches():
    versions = [k.version for k in ops()["dense_forward"].kernels if k.backend == "cuda"]
    assert list(ladder.rungs()) == versions[: versions.index("split_k")]


def test_each_rung_asks_for_less_than_the_one_before_it_or_for_as_much():
    expected = [ladder.expected(version) for version in ladder.rungs()]
    for before, after in pairwise(expected):
        assert after.bytes <= before.bytes
        assert min(after.by_path, after.by_l2) >= min(before.by_path, before.by_l2)
    assert expected[1].clocks < expected[0].clocks / 4
    assert expected[-1].by_path == expected[-1].by_l2 == 1


def test_nothing_measured_is_blank(tmp_path):
    assert set(cells(tmp_path).values()) == {("", "")}


def test_what_a_gpu_did_is_told(tmp_path):
    rows = [
        row("cuda tiled", 0.5),
        row("cuda double_buffered", 0.05),
        row("cuBLAS", 0.04),
        row("numba_cuda naive", 0.4),
        row("cuda naive", 0.01, sizes={"M": 32, "N": 8, "K": 8}),
        row("cuda vectorised", 0.01, op="dense_backward_input"),
    ]
    keep(tmp_path / "kernels-gpu.json", {"rows": rows, "peaks": {"gpu": {"flop": {"float32": 5e13}}}})
    told = {version: pair for version, pair in cells(tmp_path).items() if pair != ("", "")}
    assert told == {"tiled": ("8.0%", "0.08"), "double_buffered": ("80%", "0.80")}


def test_without_cublas_the_share_of_it_is_blank(tmp_path):
    peaks = {"gpu": {"flop": {"float32": 4e13}}}
    keep(tmp_path / "kernels-gpu.json", {"rows": [row("cuda naive", 0.5)], "peaks": peaks})
    assert cells(tmp_path)["naive"] == ("10%", "")


@pytest.mark.parametrize("place", places().values(), ids=list(places()))
def test_large_product_is_timed_in_every_version(place):
    found = kernels.ladder(place)
    assert {case.op.name for case in found} == {"dense_forward"}
    assert all(case.sizes == kernels.LARGE and case.calls == 0 and case.place is place for case in found)
    ours = {f"{k.backend} {k.version}".removesuffix(" None") for k in ops()["dense_forward"].kernels}
    assert {c.label for c in found if c.label in ours} == {
        label
        for label in ours
        if label.split()[0] in kernels.backends(place.name) and label.split()[0] not in place.missing
    }
