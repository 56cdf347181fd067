"""What the trace counts on a CPU, beside NVIDIA's machine code for sm_90.

The trace sees accesses as g++ leaves them.  The machine code shows how NVIDIA's compiler leaves them, though
not how often each is executed; but in the block of a product that multiplies, loads stand beside the
multiply-adds that they serve, however far the loop is unrolled.
"""

from collections import Counter
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from nvrtc import Compiler
from sass import DISASSEMBLER, disassembled
from targets import CUDA13, Target, need

from cgan_raw.arguments import make_arguments
from cgan_raw.kernels.launch import Module
from cgan_raw.kernels.registry import is_fused, ops
from cgan_raw.kernels.simt.trace import trace

HOPPER = Target("cuda", (CUDA13,), "sm_90", "float")
SIZE = 128  # of whatever an op has sizes of
WARP = 32

#: Not those of images, whose sizes have to fit each other, nor fused ones.
OPS = [op for op in ops().values() if not is_fused(op) and "stride" not in op.dims]
KERNELS = [(op, k) for op in OPS for k in op.kernels if k.backend == "cuda"]

#: What a product sums over.
DEPTH = {"dense_forward": "K", "dense_backward_input": "N", "dense_backward_weight": "M"}
PRODUCTS = [(op, kernel) for op, kernel in KERNELS if op.name in DEPTH]

#: Loads of shared memory per multiply-add, by width, where NVIDIA's compiler reads at once what the source
#: reads one by one: neighbours in a row of the left tile, four of a row of 16 words, two of one of 18.
MERGED = {
    "dense_forward_tiled": {4: 1, 16: Fraction(1, 4)},
    "dense_backward_input_tiled": {4: 1, 16: Fraction(1, 4)},
    "dense_backward_weight_tiled": {4: 1, 8: Fraction(1, 2)},
}

WORDS = {
    ("global", "load"): "LDG",
    ("global", "store"): "STG",
    ("shared", "load"): "LDS",
    ("shared", "store"): "STS",
}


def name_of(case):
    op, kernel = case
    return op.function(kernel.version)


@pytest.fixture(autouse=True)
def _compilers():
    need((CUDA13, DISASSEMBLER))


@cache
def machine_code(package):
    folder, compiler = import_module(package), Compiler(HOPPER)
    cu_path = Path(folder.__file__).with_name("cuda.cu")
    Module(cu_path, compiler, constants=getattr(folder, "CONSTANTS", {}))
    return disassembled(compiler.code)


@cache
def traced(op, kernel, **other):
    sizes = dict.fromkeys(op.dims, SIZE) | other
    return trace(op, kernel, make_arguments(op, sizes, np.random.default_rng(0)), sizes)


def loads(op, kernel, space):
    """By width: a warp's loads per multiply-add of a warp, by the trace; only what grows with the depth."""
    requests = Counter()
    for depth, sign in ((2 * SIZE, 1), (SIZE, -1)):
        for access in traced(op, kernel, **{DEPTH[op.name]: depth}).of(space, "load"):
            requests[access.width] += sign * access.requests
    return {width: Fraction(WARP * n, SIZE**3) for width, n in requests.items() if n}


def loads_in_code(op, kernel, load):
    """The same by the machine code, of the block that multiplies most."""
    block = max(machine_code(op.package)[op.function(kernel.version)], key=multiply_adds)
    parts = 3 if kernel.version == "tensor_core_3x" else 1  # products for each of the source's
    return {i.width: Fraction(n * parts, multiply_adds(block)) for i, n in block.items() if i.name == load}


def multiply_adds(block):
    """Of a warp; HMMA multiplies 16 x 8 by 8 x 8."""
    named = Counter()
    for instruction, count in block.items():
        named[instruction.name] += count
    return named["FFMA"] + named["HMMA"] * 16 * 8 * 8 // WARP


@pytest.mark.parametrize("case", PRODUCTS, ids=name_of)
def test_loads_per_multiply_add_are_those_of_the_trace(case):
    name = name_of(case)
    shared = traced(*case).of("shared")
    counted = loads(*case, "shared" if shared else "global")
    there = loads_in_code(*case, "LDS" if shared else "LDG")
    assert there == MERGED.get(name, counted)
    assert sum(width * n for width, n in there.items()) == sum(width * n for width, n in counted.items())


@pytest.mark.parametrize("case", KERNELS, ids=name_of)
def test_accesses_are_as_wide_as_in_the_trace(case):
    """What the code has beside these: loads that are merged, and single elements at the ends of arrays."""
    op, kernel = case
    name = name_of(case)
    counted = {(WORDS[a.space, a.kind], a.width) for a in traced(op, kernel).accesses}
    there = set()
    for instruction in set().union(*machine_code(op.package)[name]):
        if instruction.width:
            as_two = ("LDG", "STS") if instruction.name == "LDGSTS" else (instruction.name,)
            there |= {(word, instruction.width) for word in as_two}
    assert counted <= there
    wider = {width for word, width in there - counted if word == "LDS" or width > 4}
    assert wider == set(MERGED.get(name, ())) - {4}


@pytest.mark.parametrize("name", [f"{op}_double_buffered" for op in DEPTH])
def test_copies_of_double_buffered_pass_the_registers_by(name):
    blocks = machine_code("cgan_raw.kernels.dense")[name]
    names = {instruction.name for block in blocks for instruction in block}
    assert "LDGSTS" in names
    assert "STS" not in names


def test_accesses_are_read(tmp_path):
    file = tmp_path / "planted.cu"
    file.write_text(
        """extern "C" __global__ void planted(real* y, const unsigned char* x, int n) {
    __shared__ Quad<real> four[32];
    four[threadIdx.x] = {(real)x[n]};
    __syncthreads();
    ((Quad<real>*)y)[n] = four[n];
}
"""
    )
    compiler = Compiler(HOPPER)
    Module(file, compiler)
    (blocks,) = disassembled(compiler.code).values()
    assert {tuple(i) for block in blocks for i in block if i.width} == {
        ("LDG", 1),
        ("STS", 16),
        ("LDS", 16),
        ("STG", 16),
    }
