"""A trace counts what follows by arithmetic from how a kernel touches memory."""

import re
from pathlib import Path

import numpy as np
import pytest

from cgan_raw.kernels import simt
from cgan_raw.kernels.launch import Module
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt import trace
from cgan_raw.testing import make_arguments

PATTERNS = Path(__file__).with_name("patterns.cu")


@pytest.fixture(scope="module")
def patterns():
    recorder = trace.Recorder()
    module = Module(PATTERNS, recorder)

    def launch(name, grid, block, arguments, shared=0):
        module.launch(name, grid, block, arguments, shared)
        return recorder.trace

    return launch


def real(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def counts(found):
    """(space, kind, array, width) -> requests, lanes, units, fewest, divergent; each has one line."""
    keys = [(a.space, a.kind, a.array, a.width) for a in found.accesses]
    assert len(set(keys)) == len(keys)
    return {
        key: (a.requests, a.lanes, a.units, a.fewest, a.divergent)
        for key, a in zip(keys, found.accesses, strict=True)
    }


LOAD, STORE = ("global", "load", "x", 4), ("global", "store", "y", 4)
SHARED_LOAD, SHARED_STORE = ("shared", "load", "", 4), ("shared", "store", "", 4)

# Global memory ----------------------------------------------------------------------------------------------


def test_contiguous(patterns):
    """A warp of floats is 128 bytes, 4 sectors."""
    found = patterns("contiguous", 3, 64, [real(192), real(192)])
    assert counts(found) == {LOAD: (6, 192, 24, 24, 0), STORE: (6, 192, 24, 24, 0)}
    assert (found.blocks, found.threads, found.barriers, found.warp_barriers) == (3, 64, 0, 0)
    assert (found.asked, found.sectors, found.wavefronts, found.divergent) == (2 * 4 * 192, 48, 0, 0)


@pytest.mark.parametrize(("stride", "sectors"), [(1, 4), (2, 8), (3, 12), (4, 16), (7, 28), (8, 32), (100, 32)])
def test_strided(patterns, stride, sectors):
    """As many sectors as the stride makes of them, until each lane has one to itself."""
    found = counts(patterns("strided", 1, 32, [real(32), real(32 * stride), stride]))
    assert found == {LOAD: (1, 32, sectors, 4, 0), STORE: (1, 32, 4, 4, 0)}


def test_backwards(patterns):
    found = counts(patterns("backwards", 1, 64, [real(64), real(64)]))
    assert found == {LOAD: (2, 64, 8, 8, 0), STORE: (2, 64, 8, 8, 0)}


def test_broadcast(patterns):
    found = counts(patterns("broadcast", 2, 64, [real(128), real(2)]))
    assert found == {LOAD: (4, 128, 4, 4, 0), STORE: (4, 128, 16, 16, 0)}


@pytest.mark.parametrize(("offset", "sectors"), [(0, 4), (1, 5), (7, 5), (8, 4)])
def test_misaligned(patterns, offset, sectors):
    """128 bytes that begin inside a sector end inside another."""
    found = counts(patterns("misaligned", 1, 32, [real(32), real(64), offset]))
    assert found[LOAD] == (1, 32, sectors, 4, 0)


def test_bytes(patterns):
    x = np.arange(64, dtype=np.uint8)
    found = counts(patterns("bytes", 1, 64, [x, x]))
    assert found == {(*LOAD[:3], 1): (2, 64, 2, 2, 0), (*STORE[:3], 1): (2, 64, 2, 2, 0)}


def test_transposed(patterns):
    """Rows of x, columns of y: a sector for each lane's float."""
    found = counts(patterns("transposed", 1, (32, 8), [real(32, 32), real(32, 32)]))
    assert found == {LOAD: (32, 1024, 128, 128, 0), STORE: (32, 1024, 1024, 128, 0)}


@pytest.mark.parametrize(("name", "width"), [("sixteen", 16), ("eight", 8)])
@pytest.mark.parametrize("stride", [1, 2])
def test_wide_is_one_access(patterns, name, width, stride):
    """512 or 256 bytes per warp, which a stride of 2 spreads over twice as many sectors."""
    found = counts(patterns(name, 1, 32, [real(32 * 4), real(32 * 4 * stride), stride]))
    assert found[(*LOAD[:3], width)] == (1, 32, width * stride, width, 0)
    assert found[(*STORE[:3], width)] == (1, 32, width, width, 0)


def test_components_of_one_access(patterns):
    found = counts(patterns("components", 1, 32, [real(32), real(128)]))
    assert found == {(*LOAD[:3], 16): (1, 32, 16, 16, 0), STORE: (1, 32, 4, 4, 0)}


def test_an_access_that_straddles_sectors(patterns):
    """16 bytes from the middle of a sector on; a GPU refuses such an access, which is counted all the same."""
    found = counts(patterns("straddles", 1, 1, [real(4), real(16)]))
    assert found[(*LOAD[:3], 16)] == (1, 1, 2, 1, 0)


def test_four_neighbours_one_by_one(patterns):
    """Each of the four requests touches all 16 sectors, where 4 would do."""
    found = counts(patterns("four_times_four", 1, 32, [real(128), real(128)]))
    assert found == {LOAD: (4, 128, 64, 16, 0), STORE: (4, 128, 64, 16, 0)}


# Shared memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "wavefronts"), [("unpadded", 32), ("padded", 1)])
def test_columns_of_a_tile(patterns, name, wavefronts):
    found = patterns(name, 1, (32, 8), [real(32, 32), real(32, 32)])
    assert counts(found) == {
        LOAD: (32, 1024, 128, 128, 0),
        SHARED_STORE: (32, 1024, 32, 32, 0),
        SHARED_LOAD: (32, 1024, 32 * wavefronts, 32, 0),
        STORE: (32, 1024, 128, 128, 0),
    }
    assert found.wavefronts == 32 + 32 * wavefronts
    assert found.barriers == 1


@pytest.mark.parametrize(("stride", "wavefronts"), [(0, 1), (1, 1), (2, 2), (3, 1), (4, 4), (12, 4), (16, 16)])
def test_banks(patterns, stride, wavefronts):
    """As many as the stride and 32 have in common; one for a word that all want."""
    found = counts(patterns("shared_strided", 1, 32, [real(32), stride]))
    assert found[SHARED_LOAD] == (1, 32, wavefronts, 1, 0)


@pytest.mark.parametrize(
    ("name", "width", "stride", "wavefronts", "fewest"),
    [
        ("sixteen", 16, 1, 4, 4),
        ("sixteen", 16, 2, 8, 4),
        ("sixteen", 16, 4, 16, 4),
        ("eight", 8, 1, 2, 2),
        ("eight", 8, 2, 4, 2),
    ],
)
def test_wide_goes_by_parts_of_a_warp(patterns, name, width, stride, wavefronts, fewest):
    """A quarter of a warp has 8 x 16 bytes: all banks, once."""
    found = counts(patterns(name, 1, 32, [real(32 * 4), real(32 * 4 * stride), stride]))
    assert found["shared", "load", "", width] == (1, 32, wavefronts, fewest, 0)
    assert found["shared", "store", "", width] == (1, 32, wavefronts, fewest, 0)


@pytest.mark.parametrize(("bit", "wavefronts"), [(1, 2), (2, 2), (4, 4), (16, 4), (32, 4)])
def test_neighbours_that_want_the_same_share_a_wavefront(patterns, bit, wavefronts):
    """Of loads of 16 bytes: lanes l and l ^ 1, or l and l ^ 2, and no others."""
    found = counts(patterns("shared_by_lanes", 1, 32, [real(32), bit]))
    assert found["shared", "load", "", 16] == (1, 32, wavefronts, wavefronts, 0)
    assert found["shared", "store", "", 16] == (1, 32, 4, 4, 0)


def test_dynamic_shared_memory(patterns):
    found = counts(patterns("dynamic", 1, 64, [real(64), real(64)], 64 * 4))
    assert found[SHARED_STORE] == found[SHARED_LOAD] == (2, 64, 2, 2, 0)


# Warps ------------------------------------------------------------------------------------------------------


def test_divergent(patterns):
    found = patterns("every_other", 1, 64, [real(64), real(64)])
    assert counts(found) == {LOAD: (2, 32, 8, 4, 2), STORE: (2, 32, 8, 4, 2)}
    assert found.divergent == 4


def test_a_load_stays_before_a_branch(patterns):
    found = counts(patterns("loaded_before_a_branch", 1, 32, [real(1), real(32)]))
    assert found == {LOAD: (1, 32, 4, 4, 0), STORE: (1, 1, 1, 1, 1)}


def test_late_lanes(patterns):
    """What a warp leaves open is not filled by the next one."""
    found = counts(patterns("late_lanes", 1, 64, [real(64), real(16)]))
    assert found == {LOAD: (2, 48, 2, 2, 1), STORE: (2, 48, 6, 6, 1)}


def test_guarded_end(patterns):
    """50 elements: a whole warp, one of 18 lanes, and one whose threads all leave."""
    found = counts(patterns("guarded", 1, 96, [real(50), real(50), 50]))
    assert found == {LOAD: (2, 50, 4 + 3, 4 + 3, 1), STORE: (2, 50, 4 + 3, 4 + 3, 1)}


def test_partial_last_warp(patterns):
    """A block of 40 has a warp of 8 threads; all of them take part."""
    found = counts(patterns("contiguous", 2, 40, [real(80), real(80)]))
    assert found[LOAD] == found[STORE] == (4, 80, 2 * (4 + 1), 2 * (4 + 1), 0)


def test_lanes_drop_out_of_a_loop(patterns):
    found = counts(patterns("triangle", 1, 32, [real(32), real(32)]))
    assert found[LOAD] == (32, 32 * 33 // 2, 32, 32, 31)


def test_a_barrier_parts_requests(patterns):
    found = patterns("halves_in_turn", 1, 32, [real(32), real(32)])
    assert counts(found) == {LOAD: (2, 32, 4, 4, 2), STORE: (2, 32, 4, 4, 2)}
    assert found.barriers == 2


def test_lanes_that_meet_again_are_one_request(patterns):
    found = patterns("meet_again", 1, 32, [real(32), real(64), real(64)])
    assert [(a.requests, a.lanes) for a in found.accesses if a.array == "x"] == [(1, 16), (1, 16)]
    assert [(a.requests, a.lanes) for a in found.accesses if a.array == "z"] == [(1, 32), (1, 32)]


@pytest.mark.parametrize(("grid", "n"), [(1, 0), (1, 3), (4, 2)])
def test_barriers(patterns, grid, n):
    """Of a block and of a warp apart, the most of any thread; a shuffle is none."""
    found = patterns("barriers", grid, 64, [real(64 * grid), n])
    assert (found.barriers, found.warp_barriers) == (n, grid - 1)


def test_atomics(patterns):
    x = np.arange(32, dtype=np.int32) // 4
    sums = np.array([0, -1], np.int32)
    found = patterns("atomics", 1, 32, [sums, x])
    updates = [(a.space, a.requests, a.lanes, a.units) for a in found.accesses if a.kind == "atomic"]
    assert updates == [("shared", 1, 32, 1), ("global", 1, 32, 1), ("global", 1, 32, 1)]
    assert sums.tolist() == [0, -1], "a trace leaves the caller's arrays as they are"


@pytest.mark.parametrize("n", [0, 1, 5])
def test_rounds_of_loads(patterns, n):
    """Loads that no barrier parts are one round; the most of any thread counts."""
    assert patterns("load_by_load", 1, 64, [real(64), real(64 * 5), n]).rounds == n
    assert patterns("load_by_load", 3, 64, [real(192), real(64 * 7), n]).rounds == n + 2


def test_the_walk_of_the_first_block(patterns):
    found = patterns("load_by_load", 2, 64, [real(128), real(64 * 4), 3])
    assert found.walk["x"]["offset"].tolist() == list(range(0, 4 * 64 * 3, 4))
    assert found.walk["x"]["interval"].tolist() == [0] * 64 + [1] * 64 + [2] * 64
    assert found.walk["x"]["thread"].tolist() == [*range(64)] * 3
    y = [(4 * thread, thread, 3, 4) for thread in range(64)]
    assert found.walk["y"][["offset", "thread", "interval", "width"]].tolist() == y
    assert patterns("sixteen", 1, 32, [real(128), real(128), 1]).walk["x"]["width"].tolist() == [16] * 32


# Places -----------------------------------------------------------------------------------------------------


def line_of(text):
    lines = PATTERNS.read_text(encoding="utf-8").splitlines()
    (found,) = (number for number, line in enumerate(lines, 1) if text in line)
    return found


def test_own_array_is_no_memory(patterns):
    found = counts(patterns("own_array", 1, 32, [real(32), real(32 * 32), 32]))
    assert set(found) == {LOAD, STORE}
    assert found[LOAD] == (32, 1024, 128, 128, 0)


def test_a_place_with_two_arrays(patterns):
    found = patterns("two_arrays", 1, 32, [real(32), real(32), real(256)])
    assert counts(found)[LOAD] == (1, 32, 4, 4, 0)
    assert counts(found)["global", "load", "z", 4] == (1, 32, 32, 4, 0)
    loads = {a.line for a in found.of("global", "load")}
    assert loads == {line_of("return from[i];")}


def test_lines_and_the_calls_that_lead_there(patterns):
    found = patterns("padded", 1, (32, 8), [real(32, 32), real(32, 32)])
    (load,) = found.of("global", "load")
    assert (load.file, load.line) == (str(PATTERNS), line_of("tile[row][T] = x["))
    assert load.frames[0] == (load.file, load.line)
    (store,) = found.of("global", "store")
    assert store.line == line_of("= tile[T][row]")
    assert {file for a in found.accesses for file, _ in a.frames} == {str(PATTERNS)}


def test_example(patterns):
    """Lanes and offsets of a request that has all of them."""
    (load, store) = patterns("strided", 1, 64, [real(64), real(192), 3]).accesses
    assert load.example == tuple((lane, 12 * lane) for lane in range(32))
    assert store.example == tuple((lane, 4 * lane) for lane in range(32))
    (load,) = patterns("triangle", 1, 32, [real(32), real(32)]).of("global", "load")
    assert load.example == tuple((lane, 0) for lane in range(32))


def test_an_access_in_no_array_is_refused(patterns):
    line = line_of("y[I] = x[I + 1];")
    expected = f"past_the_end: {PATTERNS}:{line}: thread (31, 0, 0) of block (1, 0, 0) loads 4 bytes that"
    with pytest.raises(simt.KernelError, match=f"^{re.escape(expected)}"):
        patterns("past_the_end", 2, 32, [real(64), real(64)])
    patterns("past_the_end", 2, 32, [real(64), real(65)])


def test_cooperative_launches_are_refused():
    module = Module(PATTERNS, trace.Recorder())
    with pytest.raises(ValueError, match="cooperative"):
        module.launch("contiguous", 1, 32, [real(32), real(32)], cooperative=True)


# Ops --------------------------------------------------------------------------------------------------------


def test_a_kernel_of_the_registry():
    """LeakyReLU reads each element once and writes it once."""
    op = ops()["leaky_relu_forward"]
    (kernel,) = (k for k in op.kernels if k.backend == "cuda")
    sizes = {"B": 16, "C": 64}
    arguments = make_arguments(op, sizes, np.random.default_rng(0))
    found = trace.trace(op, kernel, arguments, sizes)
    assert found.asked == 32 * found.sectors == op.bytes(**sizes)
    assert [(a.kind, a.array, a.requests) for a in found.accesses] == [("load", "x", 32), ("store", "y", 32)]
    assert np.isnan(arguments["y"]).all()
