"""Defects planted in the CUDA C++: each must be rejected by the check that is there for it."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from cases import TYPICAL_CONVOLUTIONS, is_convolution
from changed import changed

from cgan_raw.kernels import registry, simt
from cgan_raw.kernels.launch import Module
from cgan_raw.kernels.registry import ops
from cgan_raw.testing import HOST, assert_matches_reference, gradcheck, implementations, make_arguments

_KERNELS = Path(registry.__file__).parent

#: op, version, what stands in cuda.cu or in what it includes, what is planted.
WRONG = [
    ("leaky_relu_forward", None, "v > 0 ? v", "v >= -1 ? v"),
    ("adam_step", None, "rate * mi / (sqrt(vi) + (real)eps)", "rate * mi / sqrt(vi + (real)eps)"),
    ("random_normal", None, "n - 4 * block", "n - 4 * block - 1"),
    ("dropout_forward", None, "store_quad(y + i, values, n - i)", "store_quad(y + i, values, n - i - 1)"),
    ("batch_gather", None, "int row = indices[b]", "int row = b"),
    ("embedding_backward_table", None, "labels[b] == v", "labels[b] <= v"),
    ("bce_forward", None, "b += blockDim.x", "b += blockDim.x + 1"),
    ("batchnorm_forward_train", None, "x[b * C + c] - mean_c", "x[b * C + c]"),
    ("batchnorm_backward", None, "(dbeta_c + xhat * dgamma_c) / B", "dbeta_c / B"),
    ("losses_record", None, "iteration[0] % R", "iteration[0] % (R + 1)"),
    ("dense_forward", "uncoalesced", "i >= rows || j", "i >= rows - 1 || j"),
    ("dense_forward", "naive", "k < K; ++k", "k < K - 1; ++k"),
    ("dense_forward", "tiled", "left_tile[y][k]", "left_tile[x][k]"),
    ("dense_forward", "register_tiled", "top + y + i * down", "top + y + j * down"),
    ("dense_forward", "vectorised", "? columns - column : 0", "? columns - column - 1 : 0"),
    ("dense_forward", "split_k", "s < SPLITS; ++s", "s < SPLITS - 1; ++s"),
    ("dense_forward", "tensor_core", "left_tile.at(i + 8, k)", "left_tile.at(i, k)"),
    ("dense_backward_bias", None, "m < M", "m <= M"),
    ("convolution_forward", "naive", "i < 0 || i >= s.H", "i < 0 || i >= s.H - 1"),
    ("convolution_backward_input", "naive", "r += s.stride", "++r"),
    ("convolution_backward_weight", "naive", "s.stride * q - s.padding + t", "s.stride * q - s.padding + r"),
    ("convolution_forward", "implicit_gemm", "tap / taps * tap_step", "tap % taps * tap_step"),
    ("convolution_backward_input", "implicit_gemm", "1, -1, top", "1, 1, top"),
    ("convolution_backward_input", "implicit_gemm", "top = (row + s.padding)", "top = row"),
    ("convolution_backward_weight", "implicit_gemm", "i < rows)", "i < rows - 1)"),
    ("bias_add", None, "+= b[n]", "= b[n]"),
]


def planted(tmp_path, folder, old, new):
    """The path of a folder's cuda.cu in which ``old``, wherever it stands, is ``new``."""
    return changed(folder, lambda text: text.replace(old, new), tmp_path)


def _kernel(op, version):
    return next(k for k in op.kernels if k.backend == "cuda" and k.version == version)


def launched(path, op, version, real="float"):
    constants = getattr(import_module(op.package), "CONSTANTS", {})
    module = Module(path, simt.Executor(), real, constants)

    def call(*arguments):
        sizes = op.sizes(arguments)
        grid, block = _kernel(op, version).geometry(**sizes)
        module.launch(op.function(version), grid, block, (*arguments, *(sizes[name] for name in op.measured)))

    return call


def check(path, op, version):
    rounding = _kernel(op, version).rounding
    for number, size in enumerate((5, 70 if len(op.dims) > 1 else 300)):  # a second block, and K-tile of a warp
        sizes = {d: size + 3 * i for i, d in enumerate(op.dims)}
        sizes = TYPICAL_CONVOLUTIONS[number] if is_convolution(op) else sizes
        arguments = make_arguments(op, sizes, np.random.default_rng(size))
        assert_matches_reference(op, launched(path, op, version), arguments, HOST, rounding)


@pytest.mark.parametrize(("name", "version", "old", "new"), WRONG, ids=[f"{w[0]}: {w[3]}" for w in WRONG])
def test_a_wrong_kernel_is_rejected(tmp_path, name, version, old, new):
    op = ops()[name]
    folder = op.package.rpartition(".")[2]
    check(_KERNELS / folder / "cuda.cu", op, version)
    path = planted(tmp_path, folder, old, new)
    with pytest.raises(AssertionError):
        check(path, op, version)


def test_the_gradient_check_misses_no_term_of_batchnorm(tmp_path):
    forward, backward = ops()["batchnorm_forward_train"], ops()["batchnorm_backward"]
    path = planted(tmp_path, "batchnorm", "(dbeta_c + xhat * dgamma_c) / B", "dbeta_c / B")
    table = implementations("reference") | {backward.name: launched(path, backward, None, "double")}
    with pytest.raises(AssertionError):
        gradcheck(forward, table, {"B": 5, "C": 4}, np.random.default_rng(0))
