"""What each CUDA C++ kernel asks of memory is what is on file and what its header says.

An access that got worse is seen, in both.
"""

import json
import re
from functools import partial

import numpy as np
import pytest
from changed import Alone, changed
from headers import claims, figures, folder_of, header, sizes_in, untrue

from bench.traces import FILE, cuda_kernels, sizes_of, summary, traced
from cgan_raw.arguments import make_arguments
from cgan_raw.kernels.launch import op_module
from cgan_raw.kernels.registry import is_fused, ops
from cgan_raw.kernels.simt.trace import Recorder, trace

#: Two compilers may differ as much in what they keep in registers, and two NumPys in what they draw.
_TOLERANCE = 0.05

ON_FILE = json.loads(FILE.read_text(encoding="utf-8"))
KERNELS = [pytest.param(op, kernel, id=op.function(kernel.version)) for op, kernel in cuda_kernels()]
each_kernel = pytest.mark.parametrize(("op", "kernel"), KERNELS)


def compared(found):
    """What is compared: bytes per memory and kind, units per request, and barriers."""
    flat = {}
    for key, value in found.items():
        if not isinstance(value, dict):
            flat[key] = value
        elif key != "sizes":
            (units,) = value.keys() & {"sectors", "wavefronts"}
            flat[f"{key} bytes"] = value["bytes"]
            flat[f"{key} {units} per request"] = value[units] / value["requests"]
    return flat


def differences(found, on_file):
    """What differs; barriers may not differ at all."""
    found, on_file = compared(found), compared(on_file)
    different = found.keys() ^ on_file.keys()
    for key in found.keys() & on_file.keys():
        tolerance = 0 if key.endswith("barriers") else _TOLERANCE * on_file[key]
        if not abs(found[key] - on_file[key]) <= tolerance:
            different.add(key)
    return sorted(different)


@each_kernel
def test_kernel_asks_for_what_is_on_file(op, kernel):
    on_file = ON_FILE[op.function(kernel.version)]
    assert on_file["sizes"] == sizes_of(op), "make tables renews tests/kernels/traces.json"
    different = differences(summary(traced(op, kernel)), on_file)
    assert different == [], "make tables renews tests/kernels/traces.json"


def test_nothing_else_is_on_file():
    assert list(ON_FILE) == [op.function(kernel.version) for op, kernel in cuda_kernels()]


@each_kernel
def test_header_says_what_the_trace_finds(op, kernel):
    fields = header(op, kernel).fields
    elsewhere = sizes_in(fields["Memory"])
    sizes = sizes_of(op) | elsewhere
    found = traced(op, kernel) if sizes == sizes_of(op) else launch(op, kernel, sizes)
    said = claims(op, fields, sizes, kernel.version)
    expected = figures(op, found, sizes, said["per"])
    assert untrue(said, expected) == [], f"said {said}, traced {expected}"


def launch(op, kernel, sizes, cu_path=None):
    """A trace of one kernel, perhaps of another text."""
    arguments = make_arguments(op, sizes, np.random.default_rng(0))
    if cu_path is None:
        return trace(op, kernel, arguments, sizes)
    recorder, values = Recorder(), (*arguments.values(), *(sizes[dim] for dim in op.measured))
    name = op.function(kernel.version)
    module = op_module(op.package, op.build(kernel.version), Alone(recorder, name), cu_path=cu_path)
    module.launch(name, *kernel.geometry(**sizes), values)
    return recorder.trace


#: Of what a fused kernel touches more than it must: rows of 8 bytes, rows that are gathered, and a store that
#: g++ makes of two branches, LeakyReLU's gradient above and below 0.
_SCATTERED = ("mask", "x_mask", "images", "image_labels")
_BRANCHES = ("fused_train_batchnorm", "dx")


def wasteful(access):
    """Whether its requests touch over 1.25 times the fewest sectors, or two wavefronts where fewer would do."""
    if access.space == "global":
        return access.units > 1.25 * access.fewest
    return access.units > max(2 * access.requests, access.fewest)


@pytest.mark.parametrize(("op", "kernel"), [p for p in KERNELS if is_fused(p.values[0])])
def test_a_fused_kernel_touches_little_more_than_it_must(op, kernel):
    known = (*_SCATTERED, *(array for name, array in [_BRANCHES] if name == op.name))
    assert [a for a in traced(op, kernel).accesses if a.array not in known and wasteful(a)] == []


# Planted ----------------------------------------------------------------------------------------------------


@pytest.fixture
def plant(tmp_path):
    """What is seen of a kernel after a change in its file's text: against the table, and against its header."""

    def look(name, old, new):
        op, kernel = next(p.values for p in KERNELS if p.id == name)
        path = changed(folder_of(op), partial(re.sub, old, new), tmp_path)
        fields = header(op, kernel).fields
        sizes = sizes_of(op) | sizes_in(fields["Memory"])
        said = claims(op, fields, sizes)
        wrong = untrue(said, figures(op, launch(op, kernel, sizes, path), sizes, said["per"]))
        return differences(summary(launch(op, kernel, sizes_of(op), path)), ON_FILE[name]), wrong

    return look


def test_a_changed_comment_is_no_difference(plant):
    assert plant("leaky_relu_forward", r"// LeakyReLU", "// Leaky") == ([], [])
    assert plant("dense_forward_tiled", r"// both tiles", "// the tiles") == ([], [])


def test_a_strided_load_is_seen(plant):
    found = plant("leaky_relu_forward", r"leaky_relu\(x\[i\]", "leaky_relu(x[i % B * C + i / B]")
    assert found == (["global load sectors per request"], ["in sectors"])


def test_a_load_too_many_is_seen(plant):
    found = plant("leaky_relu_forward", r"x\[i\], slope\)", "x[i], slope * x[0])")
    assert found == (["global load bytes", "global load sectors per request"], ["asked", "in sectors"])


def test_a_removed_padding_is_seen(plant):
    """Of all tiles, in a product that walks one of them down its columns."""
    found = plant("dense_backward_input_tiled", r" \+ 2 \* .T\]", "]")
    assert {words.partition(" per ")[2] for words in found[1]} <= {"load", "store"}
    assert [f"shared {words.split()[-1]} wavefronts per request" for words in found[1]] == found[0] != []


@pytest.mark.parametrize(
    ("name", "barrier"),
    [("adam_step", r"__syncthreads\(\);"), ("dense_forward_tiled", r"__syncthreads\(\);  // both")],
)
def test_a_dropped_barrier_is_seen(plant, name, barrier):
    assert plant(name, barrier, "//") == (["barriers"], ["barriers"])


def test_scalar_accesses_in_place_of_wide_ones_are_seen(plant):
    """The header's sectors tell: four requests touch 16 sectors each, where one did."""
    one_by_one = r"for (int l = 0; l < 4 && l < columns - column; ++l) out[\1 + l] = four.v[l];"
    _, said = plant(
        "dense_forward_vectorised", r"store_quad\(out \+ (.*), four, columns - column\);", one_by_one
    )
    assert said == ["in sectors"]


def test_a_header_that_says_nothing_of_it_is_refused():
    op, kernel = next(p.values for p in KERNELS if p.id == "adam_step")
    good, sizes = header(op, kernel).fields, sizes_of(op)
    said = claims(op, good, sizes)
    assert said["barriers"] == 1
    expected = figures(op, traced(op, kernel), sizes, said["per"])
    assert untrue(said, expected) == []
    without = {key: text for key, text in good.items() if key != "Barriers"}
    assert untrue(claims(op, without, sizes), expected) == ["barriers"]
    silent = good | {"Memory": good["Memory"].partition("  ")[0].partition(" Shared")[0]}
    assert untrue(claims(op, silent, sizes), expected) == ["wavefronts per load", "wavefronts per store"]
    for field, text in (("Memory", "p, m and v are read"), ("Barriers", "one: between"), ("Barriers", "1: so")):
        with pytest.raises(AssertionError, match=f"{field} begins with"):
            claims(op, good | {field: text}, sizes)
    with pytest.raises(AssertionError, match="wavefronts per load"):
        claims(op, good | {"Memory": good["Memory"].replace("1 wavefront per load", "one per load")}, sizes)


def test_numbers_of_another_pass_and_at_other_sizes():
    op = ops()["dense_backward_input"]
    memory = (
        "8 bytes per multiply-add asked for, 5 in sectors, 0.1 the least; backward_input 8, 33.1, 0.1 "
        "(M = N = 64, K = 32).  Prose.  Shared memory: 1 wavefront per load, 2 per store; backward_input 2, 1."
    )
    sizes = sizes_in(memory)
    assert sizes == {"M": 64, "N": 64, "K": 32}
    said = claims(op, {"Memory": memory, "Barriers": "2 per K-tile of 16, 4 of a warp per tile: why"}, sizes)
    assert said == {
        "per": "multiply-add",
        "asked": 8.0,
        "in sectors": 33.1,
        "the least": 0.1,
        "wavefronts per load": 2.0,
        "wavefronts per store": 1.0,
        "barriers": 2 * (64 // 16),
        "of a warp": 4,
    }
    forward = claims(ops()["dense_forward"], {"Memory": memory}, sizes)
    assert (forward["in sectors"], forward["wavefronts per load"], forward["barriers"]) == (5.0, 1.0, 0)
