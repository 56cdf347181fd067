"""The stages of a fused iteration: what they ask for is on file, within its bounds, and in the notes."""

import json

import pytest

from bench import stages
from bench.stages import FILE, NOTES, calls, expected, renewed, resident, stage, work
from cgan_raw.explain.gpus import GPUS

ON_FILE = json.loads(FILE.read_text(encoding="utf-8"))
BY_CALL = {(s["op"], tuple(s["sizes"].items())): s for s in ON_FILE["stages"]}
CALLS = [
    pytest.param(call, count, id=f"{call.op}-{'-'.join(str(n) for _, n in call.sizes)}")
    for call, count in calls().items()
]


def same(found, on_file):
    """But for what two compilers keep in registers."""
    roughly = ("sectors", "wavefronts", "wavefronts_tf32")
    close = {what: abs(found[what] - on_file[what]) <= 0.05 * on_file[what] for what in roughly}
    return all(close.values()) and all(found[key] == on_file[key] for key in found.keys() - close.keys())


@pytest.mark.parametrize(("call", "count"), CALLS)
def test_a_stage_asks_for_what_is_on_file(call, count):
    on_file = BY_CALL[call.op, call.sizes]
    assert same(stage(call, count), on_file), "make tables renews tests/bench/fused_stages.json"
    assert not same(stage(call, count) | {"sectors": 1.1 * on_file["sectors"]}, on_file)


def test_nothing_else_is_on_file():
    assert len(ON_FILE["stages"]) == len(CALLS)
    for what in ("flop", "bytes", "sectors"):
        assert ON_FILE["total"][what] == sum(s["launches"] * s[what] for s in ON_FILE["stages"])


def test_an_iteration_is_within_its_bounds():
    total = ON_FILE["total"]
    assert total["launches"] <= 30
    assert total["bytes"] <= 108e6
    assert total["sectors"] <= 330e6


@pytest.mark.parametrize("s", ON_FILE["stages"], ids=lambda s: s["op"])
def test_all_blocks_of_a_stage_are_live_at_once(s):
    """On 108 multiprocessors of an A100, and so on any newer one of that size."""
    assert s["blocks"] <= GPUS["a100"].multiprocessors * resident(s["op"])


def test_notes_have_the_table():
    text = NOTES.read_text(encoding="utf-8")
    assert renewed(text, ON_FILE) == text, "make tables renews bench/NOTES.md"
    assert renewed(text.replace("| shared memory | ", "| shared | "), ON_FILE) == text


def test_expectation_grows_with_what_a_stage_asks_for():
    slower = [
        dict(s, sectors=2 * s["sectors"], wavefronts=2 * s["wavefronts"], flop=2 * s["flop"])
        for s in ON_FILE["stages"]
    ]
    assert expected(slower)[0] > 1.3 * expected(ON_FILE["stages"])[0]
    assert expected(ON_FILE["stages"], tf32=True)[0] < expected(ON_FILE["stages"])[0]
    one = ON_FILE["stages"][4]
    assert work(one | {"blocks": 2 * stages.GPU.multiprocessors})["shared memory"] == pytest.approx(
        2 * one["wavefronts"] / stages.GPU.clock
    )
