"""What each CUDA C++ kernel asks of memory is what is on file, and an access that got worse is seen."""

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from bench.traces import FILE, cuda_kernels, sizes_of, summary, traced
from cgan_raw.arguments import make_arguments
from cgan_raw.kernels.launch import Module
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt.trace import Recorder

#: Two compilers may differ as much in what they keep in registers, and two NumPys in what they draw.
_TOLERANCE = 0.05

ON_FILE = json.loads(FILE.read_text(encoding="utf-8"))
each_kernel = pytest.mark.parametrize(
    ("op", "kernel"), [pytest.param(op, k, id=op.function(k.version)) for op, k in cuda_kernels()]
)


def figures(found):
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
    found, on_file = figures(found), figures(on_file)
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


# Planted ----------------------------------------------------------------------------------------------------


def differences_of(tmp_path, name, version, old, new):
    """What a trace of a kernel finds different after a change in its file's text."""
    op = ops()[name]
    folder, recorder, changed = import_module(op.package), Recorder(), tmp_path / "cuda.cu"
    source = Path(folder.__file__).with_name("cuda.cu").read_text(encoding="utf-8")
    text, count = re.subn(old, new, source)
    assert count, "the planted change applies"
    changed.write_text(text, encoding="utf-8")
    module = Module(changed, recorder, constants=getattr(folder, "CONSTANTS", {}))
    kernel = next(k for k in op.kernels if k.backend == "cuda" and k.version == version)
    sizes = sizes_of(op)
    arguments = make_arguments(op, sizes, np.random.default_rng(0))
    function = op.function(version)
    module.launch(function, *kernel.geometry(**sizes), (*arguments.values(), *(sizes[d] for d in op.dims)))
    return differences(summary(recorder.trace), ON_FILE[function])


def test_a_changed_comment_is_no_difference(tmp_path):
    assert differences_of(tmp_path, "leaky_relu_forward", None, r"// LeakyReLU", "// Leaky") == []


def test_a_strided_load_is_seen(tmp_path):
    found = differences_of(tmp_path, "leaky_relu_forward", None, r"= x\[b \* C \+ c\]", "= x[c * B + b]")
    assert found == ["global load sectors per request"]


def test_a_load_too_many_is_seen(tmp_path):
    found = differences_of(tmp_path, "leaky_relu_forward", None, r"slope \* v", "slope * x[0]")
    assert found == ["global load bytes", "global load sectors per request"]


def test_a_removed_padding_is_seen(tmp_path):
    found = differences_of(tmp_path, "dense_backward_input", "tiled", r" \+ 1\]", "]")
    assert "shared load wavefronts per request" in found or "shared store wavefronts per request" in found


def test_a_dropped_barrier_is_seen(tmp_path):
    found = differences_of(tmp_path, "dense_forward", "tiled", r"__syncthreads\(\);  // both", "// both")
    assert found == ["barriers"]


def test_scalar_accesses_in_place_of_wide_ones_are_seen(tmp_path):
    found = differences_of(tmp_path, "dense_forward", "vectorised", r"there >= 4 &&", "there > 4 &&")
    assert "global load sectors per request" in found
