"""Defects planted in the Numba CUDA kernels: each must be rejected by the check that is there for it."""

import re
import sys
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cases import TYPICAL_CONVOLUTIONS, is_convolution, several_tiles

from cgan_raw.kernels import numba_common, simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.numba_common import cuda, real, sum_over_block, sum_over_y, thread_in_block
from cgan_raw.kernels.numba_source import kernel
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt import interpreter
from cgan_raw.testing import assert_matches_reference, gradcheck, implementations, make_arguments

ORDERS = ("forward", "reverse", 1)

#: op, version, what stands in numba_cuda.py, what is planted.
WRONG = [
    ("leaky_relu_forward", None, "v if v > real(0)", "v if v > real(-1)"),
    ("leaky_relu_backward", None, "x[b, c] > real(0)", "g > real(0)"),
    ("tanh_forward", None, "math.tanh(x[b, c])", "math.atan(x[b, c])"),
    ("tanh_backward", None, "y[b, c] * y[b, c]", "y[b, c]"),
    ("adam_step", None, "(math.sqrt(vi) + real(eps))", "math.sqrt(vi + real(eps))"),
    ("philox_words", None, "= out[j]", "= out[3 - j]"),
    ("random_uniform", None, "real(2) * uniform(words[j])", "uniform(words[j])"),
    ("random_normal", None, "if i + 1 < n", "if i + 2 < n"),
    ("random_integers", None, "uint64(words[j]) * uint64(high) >> _HALF", "words[j] % high"),
    ("dropout_forward", None, "if i < B * C:", "if i < B * C - 1:"),
    ("dropout_backward", None, "if mask[b, c]", "if dy[b, c] > real(0)"),
    ("batch_gather", None, "row = indices[b]", "row = b"),
    ("embedding_forward", None, "table[labels[b], c]", "table[b % 2, c]"),
    ("embedding_backward_table", None, "labels[b] == v", "labels[b] <= v"),
    ("bce_forward", None, "B, cuda.blockDim.x)", "B, cuda.blockDim.x + 1)"),
    ("bce_backward", None, "(e if l < real(0) else real(1))", "real(1)"),
    ("batchnorm_forward_train", None, "centred = x[b, c] - mean_c", "centred = x[b, c]"),
    ("batchnorm_forward_inference", None, "moving_variance[c] + eps", "moving_variance[c]"),
    ("batchnorm_backward", None, "(dbeta_c + xhat * dgamma_c) / real(B)", "dbeta_c / real(B)"),
    ("batchnorm_moments", None, "total += centred * centred", "total += centred"),
    ("batchnorm_normalise", None, "* apart * apart", "* apart"),
    ("batchnorm_sums", None, "uint32(B))", "uint32(B - 1))"),
    ("batchnorm_dx", None, "dgamma_c += dgammas[p, c]", "dgamma_c += dbetas[p, c]"),
    ("counters_advance", None, "counters[i] += ", "counters[i] = "),
    ("losses_record", None, "iteration[0] % R", "(iteration[0] + 1) % R"),
    ("dense_forward", "uncoalesced", "i >= rows or j", "i >= rows - 1 or j"),
    ("dense_forward", "naive", "range(K)", "range(K - 1)"),
    ("dense_forward", "tiled", "left_tile[y, k]", "left_tile[x, k]"),
    ("dense_backward_input", "tiled", "right_tile[k, x]", "right_tile[x, k]"),
    ("dense_forward", "register_tiled", "top + y + i * down", "top + y + j * down"),
    ("dense_backward_weight", "register_tiled", "left_tile[k, y + i * down]", "left_tile[k, y + i]"),
    ("dense_forward", "split_k", "range(SPLITS)", "range(SPLITS - 1)"),
    ("dense_backward_bias", None, "total += dy[m, n]", "total = dy[m, n]"),
    ("convolution_forward", "naive", "i < H and j", "i < H - 1 and j"),
    ("convolution_backward_input", "naive", "steps(r0, R, stride)", "steps(r0, R, 1)"),
    ("convolution_backward_weight", "naive", "stride * q - padding + s", "stride * q - padding + r"),
    ("convolution_forward", "implicit_gemm", "int32(r * tap_step)", "int32(s * tap_step)"),
    ("convolution_backward_input", "implicit_gemm", "taps, 1, -1, top", "taps, 1, 1, top"),
    ("convolution_backward_weight", "implicit_gemm", "tap) if k0 + k < K", "tap) if k0 + k < K - 1"),
    ("convolution_backward_weight", "split_k", "int32(i + step), int32(left)", "int32(i + 1), int32(left)"),
    ("convolution_forward", "split_k", "range(SPLITS)", "range(SPLITS - 1)"),
    ("bias_add", None, "+= b[n]", "= b[n]"),
]

#: The same, of what stops a kernel: the error, and what its message says.
STOPPED = [
    ("embedding_forward", None, "if b >= B or c >= C:", "if b >= B:", IndexError, "out of bounds"),
    ("adam_step", None, "if i >= n:", "if i > n:", IndexError, "out of bounds"),
    (
        "dense_forward",
        "tiled",
        "left_inside = row < rows and",
        "left_inside =",
        IndexError,
        "out of bounds",
    ),
    ("batchnorm_backward", None, "rows = B if c < C else 0", "rows = B", IndexError, "out of bounds"),
    (
        "batchnorm_forward_train",
        None,
        "rows = B if c < C else 0",
        "rows = B\n    if c >= C:\n        return",
        simt.KernelError,
        "^batchnorm_forward_train: 56 of 256 threads of block 0 wait at a barrier",
    ),
    (
        "dense_forward",
        "split_k",
        "cuda.syncwarp()  # both",
        "if lane != 3: cuda.syncwarp()  # both",
        simt.KernelError,
        "^dense_forward_split_k: .* wait at a barrier",
    ),
]

#: What a barrier that is dropped separates, and a kernel that misses it.
BARRIERS = [
    ("the rate is there", "adam_step", None),
    ("both tiles are there", "dense_forward", "tiled"),
    ("all have read them", "dense_forward", "tiled"),
    ("both tiles are there", "dense_backward_input", "register_tiled"),
    ("all have read them", "dense_backward_weight", "register_tiled"),
    ("both tiles are there", "dense_backward_weight", "split_k"),
    ("all lanes have read them", "dense_forward", "split_k"),
    ("the sums of all warps are there", "dense_forward", "split_k"),
    ("all have read the sums", "dense_forward", "split_k"),
    ("both tiles are there", "convolution_forward", "implicit_gemm"),
    ("all have read them", "convolution_backward_weight", "implicit_gemm"),
    ("both tiles are there", "convolution_backward_weight", "split_k"),
    ("all lanes have read them", "convolution_backward_input", "split_k"),
    ("the sums of all warps are there", "convolution_forward", "split_k"),
    ("all have read the sums", "convolution_backward_input", "split_k"),
]

#: The same, of the sums in numba_common.py, and which of the kernels below misses it.
SUM_BARRIERS = [
    ("scratch may still be read", "columns_twice"),
    ("all values are there", "columns_twice"),
    ("scratch may still be read", "block_twice"),
    ("the level before this one is complete", "block_twice"),
    ("the sum is there", "block_twice"),
]


@pytest.fixture
def plant(monkeypatch, tmp_path):
    """``plant(op, change)``: until the test ends, the op's kernels are made of the changed text."""

    def planted(op, change):
        name = f"{op.package}.numba_cuda"
        monkeypatch.setitem(sys.modules, name, changed(name, change, tmp_path))

    return planted


def changed(name, change, folder):
    """A module like the one of that name, from a changed text."""
    text = _text(name)
    path = folder / "planted.py"
    path.write_text(change(text), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    spec = util.spec_from_file_location(f"{name.rpartition('.')[0]}.planted", path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _text(name):
    return Path(import_module(name).__file__).read_text(encoding="utf-8")


def check(op, version):
    for shape in ((5, 7, 9, 2), (9, 34, 60, 2) if len(op.dims) > 1 else (300,)):  # a K-tile for each warp
        sizes = dict(zip(op.dims, shape, strict=False))
        if is_convolution(op):
            sizes = TYPICAL_CONVOLUTIONS[1]
        function = LaunchedOp(op, Modules(interpreter.Executor()), version)
        assert_matches_reference(op, function, make_arguments(op, sizes, np.random.default_rng(1)))


@pytest.mark.parametrize(("name", "version", "old", "new"), WRONG, ids=[f"{w[0]}: {w[3]}" for w in WRONG])
def test_a_wrong_kernel_is_rejected(plant, name, version, old, new):
    op = ops()[name]
    check(op, version)
    plant(op, lambda source: source.replace(old, new))
    with pytest.raises(AssertionError):
        check(op, version)


@pytest.mark.parametrize(
    ("name", "version", "old", "new", "error", "message"), STOPPED, ids=[f"{s[0]}: {s[3]}" for s in STOPPED]
)
def test_a_kernel_that_must_not_go_on_is_stopped(plant, name, version, old, new, error, message):
    op = ops()[name]
    plant(op, lambda source: source.replace(old, new))
    with pytest.raises(error, match=message):
        check(op, version)


def test_the_gradient_check_misses_no_term_of_batchnorm(plant):
    forward, backward = ops()["batchnorm_forward_train"], ops()["batchnorm_backward"]
    term = "(dbeta_c + xhat * dgamma_c) / real(B)"
    plant(backward, lambda source: source.replace(term, "dbeta_c / real(B)"))
    launched = LaunchedOp(backward, Modules(interpreter.Executor(), "double"))
    with pytest.raises(AssertionError):
        gradcheck(
            forward,
            implementations("reference") | {backward.name: launched},
            {"B": 5, "C": 4},
            np.random.default_rng(0),
        )


# Barriers ---------------------------------------------------------------------------------------------------


def agrees(op, version, order):
    """Whether one block, which walks all tiles, computes what the reference does."""
    modules = Modules(interpreter.Executor(order))
    kernel = next(k for k in op.kernels if (k.backend, k.version) == ("numba_cuda", version))
    sizes = several_tiles(op, kernel) if is_convolution(op) else dict(zip(op.dims, (33, 9, 70), strict=False))

    def in_one_block(*values):
        block = kernel.geometry(**sizes).block
        modules(op.package).launch(
            op.function(version), 1, block, (*values, *(sizes[name] for name in op.measured))
        )

    try:
        assert_matches_reference(op, in_one_block, make_arguments(op, sizes, np.random.default_rng(0)))
    except AssertionError:
        return False
    return True


def without(barrier):
    """A change of a text: the barriers with this comment are gone."""
    return lambda source: re.sub(rf"cuda\.sync\w+\(\)  # {barrier}", "pass  #", source)


@pytest.mark.parametrize(("barrier", "name", "version"), BARRIERS)
def test_a_dropped_barrier_shows_in_some_order(plant, barrier, name, version):
    op = ops()[name]
    assert agrees(op, version, ORDERS[-1])
    plant(op, without(barrier))
    assert not all(agrees(op, version, order) for order in ORDERS)


@kernel
def columns_twice(first, second, x):
    scratch = cuda.shared.array(32, real)
    me = thread_in_block()
    first[me] = sum_over_y(x[me], scratch)
    second[me] = sum_over_y(real(2) * x[me], scratch)


@kernel
def block_twice(first, second, x):
    scratch = cuda.shared.array(32, real)
    me = thread_in_block()
    first[me] = sum_over_block(x[me], scratch)
    second[me] = sum_over_block(real(2) * x[me], scratch)


#: How many sums each kernel makes of 32 numbers, and its block.
_SUMS = {"columns_twice": (4, (4, 8)), "block_twice": (1, (32, 1))}


def sums_agree(common, name, order):
    """Whether the sums of a module like numba_common give each thread that of its column, or of its block."""
    module = ModuleType("sums")
    vars(module).update(vars(common) | {name: globals()[name]})
    sums, block = _SUMS[name]
    x, (first, second) = np.arange(32, dtype=np.float32), np.full((2, 32), np.nan, np.float32)
    interpreter.Executor(order).load(module, "float").launch(name, 1, block, [first, second, x])
    expected = np.tile(x.reshape(-1, sums).sum(axis=0), 32 // sums)
    return np.array_equal(first, expected) and np.array_equal(second, 2 * expected)


@pytest.mark.parametrize(("barrier", "name"), SUM_BARRIERS)
def test_a_dropped_barrier_of_a_sum_shows_in_some_order(tmp_path, barrier, name):
    assert all(sums_agree(numba_common, name, order) for order in ORDERS)
    broken = changed(numba_common.__name__, without(barrier), tmp_path)
    assert not all(sums_agree(broken, name, order) for order in ORDERS)


def test_every_barrier_is_dropped():
    packages = {op.package for op in ops().values() if any(k.backend == "numba_cuda" for k in op.kernels)}
    names = [numba_common.__name__, *(f"{package}.numba_cuda" for package in packages)]
    there = {comment for name in names for comment in re.findall(r"sync\w+\(\)  # (.*)", _text(name))}
    dropped = tuple(b[0] for b in (*BARRIERS, *SUM_BARRIERS))
    kept = {comment for comment in there if not comment.startswith(dropped)}
    assert not kept, "BARRIERS lists the comment of each barrier, with a kernel that misses it"
