"""The page's ops compute what their contracts' references say, in JavaScript and in WebAssembly."""

import shutil
import subprocess

import numpy as np
import pytest
from commands import PATIENCE, ROOT
from in_node import HERE, Node

from cgan_raw.kernels.registry import ops
from cgan_raw.testing import assert_matches_reference, call, make_arguments

WEB = ROOT / "cgan_raw" / "export" / "web"

OPS = (
    *("embedding_forward", "leaky_relu_forward", "tanh_forward", "bias_add"),
    *("batchnorm_forward_inference", "random_normal"),
)
SIZES = [
    {"B": 1, "C": 1, "V": 1, "n": 1, "M": 1, "N": 1},
    {"B": 3, "C": 7, "V": 10, "n": 7, "M": 3, "N": 7},
    {"B": 32, "C": 33, "V": 2, "n": 100, "M": 32, "N": 33},
    {"B": 5, "C": 784, "V": 10, "n": 1023, "M": 5, "N": 784},
]
#: Each edge of a tile of 4 rows by 8 columns, and the generator's own.
PRODUCTS = [
    dict(zip("MNK", sizes, strict=True))
    for sizes in (
        *((1, 1, 1), (2, 7, 5), (1, 8, 1), (3, 9, 2), (4, 8, 4), (5, 15, 31), (7, 16, 1), (8, 17, 100)),
        *((1, 256, 100), (33, 23, 129), (32, 784, 1024)),
    )
]
#: The generator's own, and what is awkward in them: slices of patches that end inside a tap, taps outside the
#: image, strides beyond the kernel, images too large or too small.
CONVOLUTIONS = [
    dict(zip(("B", "P", "Q", "N", "H", "W", "C", "R", "stride", "padding"), sizes, strict=True))
    for sizes in (
        *((2, 7, 7, 128, 14, 14, 64, 4, 2, 1), (3, 14, 14, 64, 28, 28, 1, 4, 2, 1)),
        *((1, 1, 1, 1, 1, 1, 1, 1, 1, 0), (2, 3, 4, 5, 7, 6, 37, 5, 3, 2), (2, 3, 2, 9, 4, 3, 200, 1, 3, 0)),
        *((1, 4, 5, 7, 2, 3, 70, 3, 1, 4), (2, 2, 3, 6, 9, 12, 5, 2, 4, 0)),
    )
]


@pytest.fixture(scope="module")
def node(node_of):
    return node_of("cgan")


def check_all(node, name, cases, fast=False):
    op = ops()[name]
    for sizes in cases:
        arguments = make_arguments(op, sizes, np.random.default_rng(0))
        assert_matches_reference(op, node.op(name, fast), arguments)


@pytest.mark.parametrize("name", OPS)
def test_op_is_its_reference(name, node):
    check_all(node, name, SIZES)


def test_product_is_its_reference(fast, node):
    check_all(node, "dense_forward", PRODUCTS, fast)


def test_convolution_is_its_reference(fast, node):
    check_all(node, "convolution_backward_input", CONVOLUTIONS, fast)


def check_bits(node, name, cases, fast=False):
    op = ops()[name]
    for sizes in cases:
        arguments = make_arguments(op, sizes, np.random.default_rng(1))
        found = call(op, node.op(name, fast), arguments)
        for destination, expected in call(op, op.implementation("cpu"), arguments).items():
            np.testing.assert_array_equal(found[destination], expected)


@pytest.mark.parametrize("name", [name for name in OPS if name != "tanh_forward"])
def test_op_has_the_bits_of_the_cpu(name, node):
    """Each is a few steps, all rounded in the same places; for tanh see pixels.py."""
    check_bits(node, name, SIZES)


def test_product_has_the_bits_of_the_cpu(fast, node):
    """Sums in the same order, each step of which is rounded once."""
    check_bits(node, "dense_forward", PRODUCTS, fast)


def test_convolution_has_the_bits_of_the_cpu(fast, node):
    check_bits(node, "convolution_backward_input", CONVOLUTIONS, fast)


def test_whole_numbers_are_exact(fast, node):
    rng, op = np.random.default_rng(2), ops()["dense_forward"]
    x, w, b = (rng.integers(-8, 9, shape) for shape in ((5, 784), (784, 33), (33,)))
    arguments = make_arguments(op, {"M": 5, "N": 33, "K": 784}, rng, x=x, w=w, b=b)
    np.testing.assert_array_equal(call(op, node.op(op.name, fast), arguments)["y"], x @ w + b)


def test_noise_of_every_seed_is_the_commands(node):
    op = ops()["random_normal"]
    for seed in (0, 1, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1):
        given = {"iteration": np.zeros(1), "seed": seed, "stream": 128}
        arguments = make_arguments(op, {"n": 1000}, np.random.default_rng(0), **given)
        assert_matches_reference(op, node.op(op.name), arguments)


# What is broken is found -------------------------------------------------------------------------------------

BROKEN = {
    "leaky_relu_forward": ("kernels.js", ": a * x[i]", ": x[i]"),
    "embedding_forward": ("kernels.js", "table[labels[b] * C + c]", "table[b * C + c]"),
    "batchnorm_forward_inference": ("kernels.js", "Math.sqrt(f32(moving_variance[c] + f32(eps)))", "f32(eps)"),
    "tanh_forward": ("kernels.js", "Math.tanh(x[i])", "Math.tanh(x[0])"),
    "random_normal": ("kernels.js", "round < 10", "round < 9"),
    "dense_forward": ("kernels.js", "for (; n < N; ++n) one_column", "for (; n + 1 < N; ++n) one_column"),
    "convolution_backward_input": ("kernels.js", "q * stride - padding + (tap % R)", "q * stride + (tap % R)"),
    "bias_add": ("kernels.js", "y[i] += b[n]", "y[i] += b[0]"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_op_is_found(name, page_of, tmp_path):
    file, right, wrong = BROKEN[name]
    node = broken(page_of("cgan"), tmp_path, file, right, wrong)
    cases = [{**sizes, "K": 3} for sizes in SIZES]
    with pytest.raises(AssertionError):
        check_all(node, name, CONVOLUTIONS if name == "convolution_backward_input" else cases)
    node.end()


@pytest.mark.parametrize(
    ("name", "cases", "right", "wrong"),
    [
        ("dense_forward", PRODUCTS, "s3 = f32(s3 + a * w[i + 3])", "s3 = f32(s3 + f32(a * w[i + 3]))"),
        ("convolution_backward_input", CONVOLUTIONS, "const SLICE = 128", "const SLICE = 64"),
    ],
)
def test_other_bits_are_found(name, cases, right, wrong, page_of, tmp_path):
    """Sums as good as the CPU's, but not its own."""
    node = broken(page_of("cgan"), tmp_path, "kernels.js", right, wrong)
    check_all(node, name, cases)
    with pytest.raises(AssertionError):
        check_bits(node, name, cases)
    node.end()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(local.get $m3) (local.get $M)", "(local.get $m2) (local.get $M)"),  # another row of y, or of x
        ("(i32.lt_u (local.get $m) (local.get $M))", "(i32.const 1)"),  # rows behind the last one
        ("(i32.sub (local.get $N) (i32.const 8))", "(local.get $n)"),  # columns behind the last one
        ("(local.get $a) (local.get $right)", "(local.get $a) (local.get $left)"),
    ],
)
def test_broken_product_is_found(right, wrong, able, page_of, tmp_path):
    node = broken(page_of("cgan"), tmp_path, "dense.wat", right, wrong)
    assemble(tmp_path / "page" / "dense.wat", tmp_path / "page" / "dense.wasm")
    with pytest.raises(AssertionError):
        check_all(node, "dense_forward", PRODUCTS, fast=True)
    node.end()


def test_steps_that_round_twice_are_refused(able, page_of, tmp_path):
    """As of a machine that cannot fuse them."""
    factors = "(f32x4.splat (local.get $a)) (f32x4.splat (local.get $b))"
    fused, apart = f"(f32x4.relaxed_madd\n      {factors}", f"(f32x4.add (f32x4.mul {factors})"
    node = broken(page_of("cgan"), tmp_path, "dense.wat", fused, apart)
    assemble(tmp_path / "page" / "dense.wat", tmp_path / "page" / "dense.wasm")
    assert not node.ask("able")["able"]
    node.end()


def broken(page, tmp_path, file, right, wrong) -> Node:
    copy = shutil.copytree(page, tmp_path / "page")
    text = (copy / file).read_text()
    assert right in text
    (copy / file).write_text(text.replace(right, wrong))
    return Node(copy)


# WebAssembly -------------------------------------------------------------------------------------------------


def assemble(source, target):
    program = HERE / "node_modules" / "wabt" / "bin" / "wat2wasm"
    if not program.exists():
        pytest.skip("needs wabt (make web-test installs it)")
    command = ["node", program, "--enable-relaxed-simd", source, "-o", target]
    subprocess.run(command, check=True, timeout=PATIENCE)


def test_bytes_are_those_of_the_text(tmp_path):
    """CONTRIBUTING.md says how to renew them."""
    if shutil.which("node") is None:
        pytest.skip("needs node")
    assemble(WEB / "dense.wat", tmp_path / "dense.wasm")
    assert (tmp_path / "dense.wasm").read_bytes() == (WEB / "dense.wasm").read_bytes()
